#include "tls/eap_handshake.hpp"

#include <fmt/format.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <new>
#include <string_view>
#include <utility>

#include "tls/cipher_policy.hpp"
#include "tls/failure.hpp"

namespace keysluice::tls {
namespace {

/// Keys of 112 bits of strength (RSA 2048) and more, SHA-1 signatures refused.
constexpr int kSecurityLevel = 2;
constexpr std::size_t kMskSize = 64;
constexpr std::size_t kMskAndEmskSize = 128;
/// What EAP's key protects is nothing that anybody could record and read later: a group against quantum computers,
/// which OpenSSL 3.5 begins with, would make the first turn longer than a packet, and gain nothing.
constexpr const char* kGroups = "X25519:P-256:P-384:P-521";
/// RFC 5216 section 2.3.
constexpr std::string_view kLabel12 = "client EAP encryption";
/// RFC 9190 section 2.3; the context is the method's type.
constexpr std::string_view kLabel13 = "EXPORTER_EAP_TLS_Key_Material";
constexpr std::uint8_t kEapTls = 13;
/// RFC 9190 section 2.1.1: the server's last word is one octet of application data, and that is zero.
constexpr std::uint8_t kCommitment = 0;

std::unexpected<Error> failed(std::string_view what) {
    const Error error = take_failure("eap-tls-failed");
    return fail("eap-tls-failed", fmt::format("TLS {}: {}", what, error.sentence));
}

/// Somebody else looks at the certificate: see the class.
int leave_to_others(X509_STORE_CTX* context, void* /*nothing*/) {
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
}

Result<SslContextPtr> make_context(EapHandshake::Role role) {
    SslContextPtr context{
        SSL_CTX_new(role == EapHandshake::Role::server ? TLS_server_method() : TLS_client_method())};
    if (!context) {
        throw std::bad_alloc();
    }
    SSL_CTX* raw = context.get();
    SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(raw, TLS1_3_VERSION);
    SSL_CTX_set_security_level(raw, kSecurityLevel);
    // What the machine's openssl.cnf has set does not count. Nothing is resumed. strongSwan 5.9 does not know RFC
    // 5746: who could have such a server take a handshake for its renegotiation would still not have the key that
    // comes of it.
    SSL_CTX_clear_options(raw, SSL_CTX_get_options(raw));
    SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_LEGACY_SERVER_CONNECT);
    SSL_CTX_set_mode(raw, SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(raw, 0);
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    SSL_CTX_set_cert_verify_callback(raw, leave_to_others, nullptr);
    if (auto applied = apply_ciphers(raw, {}); !applied) {
        return pass_on(std::move(applied));
    }
    if (SSL_CTX_set1_groups_list(raw, kGroups) != 1) {
        return failed("does not take its groups");
    }
    return context;
}

CertificatePtr read(Bytes der) {
    const unsigned char* at = der.data();
    return CertificatePtr{d2i_X509(nullptr, &at, static_cast<long>(der.size()))};
}

Result<void> show(SSL_CTX* context, EVP_PKEY& key, std::span<const EapHandshake::Octets> chain) {
    for (std::size_t i = 0; i < chain.size(); ++i) {
        const CertificatePtr certificate = read(chain[i]);
        const bool taken = certificate && (i == 0 ? SSL_CTX_use_certificate(context, certificate.get())
                                                  : SSL_CTX_add1_chain_cert(context, certificate.get())) == 1;
        if (!taken) {
            return failed("can't use our certificate");
        }
    }
    const bool taken = SSL_CTX_use_PrivateKey(context, &key) == 1 && SSL_CTX_check_private_key(context) == 1;
    return taken ? Result<void>() : failed("can't use our private key");
}

EapHandshake::Octets der_of(const X509& certificate) {
    unsigned char* der = nullptr;
    const int size = i2d_X509(&certificate, &der);
    EapHandshake::Octets octets;
    if (size > 0) {
        octets.assign(der, der + size);
        OPENSSL_free(der);
    }
    return octets;
}

std::vector<EapHandshake::Octets> peer_chain(const SSL* ssl) {
    std::vector<EapHandshake::Octets> chain;
    const X509* const leaf = SSL_get0_peer_certificate(ssl);
    if (leaf == nullptr) {
        return chain;
    }
    chain.push_back(der_of(*leaf));
    const STACK_OF(X509)* const all = SSL_get_peer_cert_chain(ssl);
    for (int i = 0; i < sk_X509_num(all); ++i) {
        // A client finds the leaf among them, and a server does not.
        if (const X509* each = sk_X509_value(all, i); X509_cmp(each, leaf) != 0) {
            chain.push_back(der_of(*each));
        }
    }
    return chain;
}

EapHandshake::Octets take_output(const SSL* ssl) {
    BIO* const out = SSL_get_wbio(ssl);
    EapHandshake::Octets records(BIO_ctrl_pending(out));
    if (!records.empty()) {
        BIO_read(out, records.data(), static_cast<int>(records.size()));
    }
    return records;
}

}  // namespace

Result<EapHandshake> EapHandshake::begin(Role role, EVP_PKEY& key, std::span<const Octets> chain) {
    ERR_clear_error();
    auto context = make_context(role);
    if (!context) {
        return pass_on(std::move(context));
    }
    if (auto shown = show(context->get(), key, chain); !shown) {
        return pass_on(std::move(shown));
    }
    SslPtr ssl{SSL_new(context->get())};
    BioPtr in{BIO_new(BIO_s_mem())};
    BioPtr out{BIO_new(BIO_s_mem())};
    if (!ssl || !in || !out) {
        throw std::bad_alloc();
    }
    SSL_set_bio(ssl.get(), in.release(), out.release());
    role == Role::server ? SSL_set_accept_state(ssl.get()) : SSL_set_connect_state(ssl.get());
    return EapHandshake(role, std::move(ssl));
}

EapHandshake::Turn EapHandshake::hear(Bytes records) {
    ERR_clear_error();
    Turn turn;
    if (!records.empty()) {
        BIO_write(SSL_get_rbio(ssl_.get()), records.data(), static_cast<int>(records.size()));
    }
    if (auto advanced = advance(turn); !advanced) {
        turn.msk.clear();
        turn.why = std::move(advanced).error();
    }
    turn.chain = peer_chain(ssl_.get());
    turn.records = take_output(ssl_.get());
    return turn;
}

Result<void> EapHandshake::advance(Turn& turn) {
    const int result = SSL_do_handshake(ssl_.get());
    if (result != 1) {
        return SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ ? Result<void>()
                                                                        : failed("did not come about");
    }
    const auto confirmed = confirm();
    if (!confirmed) {
        return std::unexpected(confirmed.error());
    }
    if (!*confirmed) {
        return {};
    }
    if (BIO_ctrl_pending(SSL_get_rbio(ssl_.get())) != 0) {
        return fail("eap-tls-failed", "the peer says more than the handshake wants");
    }
    return export_msk(turn);
}

/// With TLS 1.3, a client hears from the server that it is content: its own last word says nothing of that.
Result<bool> EapHandshake::confirm() {
    if (SSL_version(ssl_.get()) != TLS1_3_VERSION) {
        return true;
    }
    if (role_ == Role::server) {
        std::size_t written = 0;
        const bool said = SSL_write_ex(ssl_.get(), &kCommitment, sizeof(kCommitment), &written) == 1;
        return said ? Result<bool>(true) : failed("can't say that all is well");
    }
    std::array<std::uint8_t, 2> heard{};
    std::size_t count = 0;
    const int result = SSL_read_ex(ssl_.get(), heard.data(), heard.size(), &count);
    if (result != 1) {
        return SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ ? Result<bool>(false)
                                                                        : failed("did not come to its end");
    }
    if (count != 1 || heard.front() != kCommitment) {
        return fail("eap-tls-failed",
                    "the server sent something else than the zero of RFC 9190 behind the handshake");
    }
    return true;
}

Result<void> EapHandshake::export_msk(Turn& turn) {
    const bool tls13 = SSL_version(ssl_.get()) == TLS1_3_VERSION;
    const std::string_view label = tls13 ? kLabel13 : kLabel12;
    Secret<kMskAndEmskSize> both;  // with TLS 1.3, how much is asked for changes what comes
    const MutableBytes room = both.writable(kMskAndEmskSize);
    if (SSL_export_keying_material(ssl_.get(), room.data(), room.size(), label.data(), label.size(), &kEapTls,
                                   tls13 ? sizeof(kEapTls) : 0, tls13 ? 1 : 0) != 1) {
        return failed("has no key for EAP");
    }
    turn.msk = Secret<kMskSize>(both.expose().first(kMskSize));
    return {};
}

}  // namespace keysluice::tls
