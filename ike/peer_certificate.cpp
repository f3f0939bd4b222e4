#include "ike/peer_certificate.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ike/signature_auth.hpp"
#include "ike/wire/message.hpp"
#include "ike/wire/text.hpp"

namespace keysluice::ike {
namespace {

constexpr std::uint8_t kHashAndUrl = 12;
constexpr std::uint8_t kHashAndUrlOfBundle = 13;

using NameKind = crypto::Certificate::AlternativeName::Kind;

/// The identity that an alternative name is in IKE.
wire::Identity identity_of(const crypto::Certificate::AlternativeName& name) {
    switch (name.kind) {
        case NameKind::dns:
            return {.type = wire::IdType::fqdn, .data = name.value};
        case NameKind::email:
            return {.type = wire::IdType::email, .data = name.value};
        case NameKind::address:
            break;
    }
    return {.type = name.value.size() == 4 ? wire::IdType::ipv4 : wire::IdType::ipv6, .data = name.value};
}

/// "gw1.example, 192.0.2.1": what it is made out to, for a sentence.
std::string names_of(const crypto::Certificate& certificate) {
    const auto names = certificate.alternative_names();
    return wire::some_of(names.size(), [&](std::size_t each) { return wire::print(identity_of(names[each])); });
}

/// What TLS calls it when a certificate is refused, RFC 8446 section 6.2.
std::uint8_t alert_of(const Error& why) {
    constexpr std::uint8_t kRevoked = 44;
    constexpr std::uint8_t kExpired = 45;
    constexpr std::uint8_t kUnknown = 46;  // "Some other (unspecified) issue arose"
    constexpr std::uint8_t kUnknownAuthority = 48;
    if (why.reason == "certificate-untrusted") {
        return kUnknownAuthority;
    }
    if (why.reason == "certificate-expired") {
        return kExpired;
    }
    return why.reason == "certificate-revoked" ? kRevoked : kUnknown;
}

/// Of authorities in a request, 20 octets each.
constexpr std::size_t kMostAuthorities = 20;

}  // namespace

bool uses_certificates(const Connection& connection) {
    return connection.auth == Auth::certificate || connection.remote_auth == Auth::certificate;
}

void ask_for_certificates(Payloads& payloads, const std::vector<ConnectionPtr>& connections) {
    std::vector<crypto::Sha1> authorities;
    for (const ConnectionPtr& connection : connections) {
        if (connection->remote_auth != Auth::certificate) {
            continue;
        }
        for (const crypto::Sha1& id : connection->authorities->ids()) {
            if (authorities.size() < kMostAuthorities && !(std::ranges::find(authorities, id) != authorities.end())) {
                authorities.push_back(id);
            }
        }
    }
    if (authorities.empty()) {
        return;
    }
    wire::CertificateRequestPayload request;
    for (const crypto::Sha1& each : authorities) {
        request.authorities.insert(request.authorities.end(), each.begin(), each.end());
    }
    payloads.emplace_back(std::move(request));
}

Result<std::vector<wire::Octets>> certificates_in(const Payloads& payloads) {
    std::vector<wire::Octets> chain;
    std::size_t size = 0;
    for (const wire::Payload& payload : payloads) {
        const auto* certificate = std::get_if<wire::CertificatePayload>(&payload);
        if (certificate == nullptr) {
            continue;
        }
        const bool elsewhere = certificate->encoding == kHashAndUrl || certificate->encoding == kHashAndUrlOfBundle;
        const bool usable = certificate->encoding == wire::kX509Signature;
        if (elsewhere || (chain.empty() && !usable)) {
            return fail("certificate-encoding",
                        fmt::format("it sent {} (encoding {}): expected X.509 certificates, its own first",
                                    elsewhere ? "a certificate's address in place of the certificate"
                                              : "no X.509 certificate",
                                    certificate->encoding));
        }
        if (!usable) {
            continue;
        }
        size += certificate->data.size();
        chain.push_back(certificate->data);
        if (chain.size() > crypto::kLongestChain || size > kMostChainOctets) {
            return fail("certificate-chain-long", fmt::format("it sent more than {} certificates or {} bytes of them",
                                                              crypto::kLongestChain, kMostChainOctets));
        }
    }
    if (chain.empty()) {
        return fail("certificate-missing",
                    "it sent no certificate; make it send one, whether or not it was asked for it");
    }
    return chain;
}

bool belongs_to(const crypto::Certificate& certificate, const wire::Identity& identity) {
    if (identity.type == wire::IdType::dn) {
        return same({.type = wire::IdType::dn, .data = certificate.subject_der()}, identity);
    }
    return std::ranges::any_of(certificate.alternative_names(),
                               [&](const auto& name) { return same(identity_of(name), identity); });
}

Result<crypto::Certificate> verify_chain(const std::vector<wire::Octets>& octets, const wire::Identity& identity,
                                         const crypto::Authorities& authorities,
                                         std::chrono::system_clock::time_point now) {
    std::vector<crypto::Certificate> chain;
    for (const wire::Octets& der : octets) {
        auto certificate = crypto::Certificate::parse(der);
        if (!certificate) {
            return pass_on(std::move(certificate));
        }
        chain.push_back(*std::move(certificate));
    }
    const crypto::Certificate& leaf = chain.front();
    if (auto trusted = authorities.verify(leaf, std::span(chain).subspan(1), now); !trusted) {
        return pass_on(std::move(trusted));
    }
    if (!belongs_to(leaf, identity)) {
        return fail("certificate-identity",
                    fmt::format("it says that it is {}, and its certificate is made out to {} with the names [{}]",
                                wire::print(identity), leaf.subject(), names_of(leaf)));
    }
    return leaf;
}

TlsAnswered check_tls_peer(const TlsUnchecked& job, std::chrono::system_clock::time_point now) {
    const TlsAnswered& answer = job.answer;
    TlsAnswered checked{.sa = answer.sa, .epoch = answer.epoch, .progress = {}};
    if (job.chain.empty() && !answer.progress.msk.empty()) {
        checked.progress.why = {"certificate-missing", "it has shown no certificate in EAP-TLS"};
        return checked;
    }
    if (!job.chain.empty()) {
        const auto leaf = verify_chain(job.chain, job.identity, *job.connection->authorities, now);
        if (!leaf) {
            checked.progress.why = leaf.error();
            checked.progress.alert = alert_of(leaf.error());
            return checked;
        }
    }
    checked.progress = {
        .records = answer.progress.records, .msk = duplicate(answer.progress.msk), .why = answer.progress.why};
    return checked;
}

Result<void> verify_peer(const VerifyPeer& job, std::chrono::system_clock::time_point now) {
    auto leaf = verify_chain(job.chain, job.identity, *job.authorities, now);
    return leaf ? check_signature(job.proof, *leaf, job.octets, job.allow_sha1) : pass_on(std::move(leaf));
}

}  // namespace keysluice::ike
