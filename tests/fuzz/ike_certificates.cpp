// What a peer sends to prove who it is by a certificate. The first byte chooses what is arbitrary: 0 a chain of
// certificates (each behind its length), 1 the AUTH payload (method, data).

#include <openssl/x509v3.h>

#include <chrono>
#include <cstdlib>

#include "ike/peer_certificate.hpp"
#include "ike/signature_auth.hpp"
#include "ike/wire/message.hpp"

using namespace keysluice;
using namespace keysluice::ike;

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

/// One that has signed itself.
crypto::Certificate make_certificate() {
    const crypto::PrivateKeyPtr key{EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048})};
    crypto::CertificatePtr made{X509_new()};
    X509_set_version(made.get(), X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
    X509_set_pubkey(made.get(), key.get());
    require(X509_sign(made.get(), key.get(), EVP_sha256()) != 0);
    return crypto::Certificate(std::move(made));
}

void prove_by_chain(const crypto::Certificate& authority, Bytes input) {
    VerifyPeer job{.sa = {},
                   .epoch = 0,
                   .identity = *parse_identity("gw.example"),
                   .chain = {},
                   .proof = {.method = wire::AuthMethod::digital_signature, .data = {}},
                   .octets = {},
                   .allow_sha1 = true,
                   .authorities = std::make_shared<const crypto::Authorities>(
                       std::vector{authority}, std::vector<crypto::RevocationListPtr>{})};
    Payloads payloads;
    Reader reader(input);
    while (!reader.rest().empty()) {
        const Bytes one = reader.prefixed<std::uint16_t>();
        payloads.emplace_back(
            wire::CertificatePayload{.encoding = wire::kX509Signature, .data = {one.begin(), one.end()}});
    }
    auto chain = certificates_in(payloads);
    if (!chain) {
        return;
    }
    job.chain = *std::move(chain);
    require(!verify_peer(job, std::chrono::system_clock::now()));
    if (const auto leaf = crypto::Certificate::parse(job.chain.front())) {
        require(leaf->der() == job.chain.front() || !leaf->der().empty());
        static_cast<void>(belongs_to(*leaf, job.identity));
        static_cast<void>(leaf->subject());
        static_cast<void>(wire::print({.type = wire::IdType::dn, .data = leaf->subject_der()}));
        static_cast<void>(crypto::check_key(*leaf));
        static_cast<void>(crypto::check_purpose(*leaf));
    }
}

void prove_by_signature(const crypto::Certificate& certificate, Bytes input) {
    if (input.empty()) {
        return;
    }
    const wire::AuthPayload proof{.method = static_cast<wire::AuthMethod>(input.front()),
                                  .data = {input.begin() + 1, input.end()}};
    require(!check_signature(proof, certificate, as_bytes("octets"), true));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const crypto::Certificate certificate = make_certificate();
    if (size == 0) {
        return 0;
    }
    const Bytes input = Bytes{data, size}.subspan(1);
    if (data[0] == 0) {
        prove_by_chain(certificate, input);
    } else {
        prove_by_signature(certificate, input);
    }
    return 0;
}
