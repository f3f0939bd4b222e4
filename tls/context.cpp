#include "tls/context.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <new>
#include <utility>

#include "crypto/credentials.hpp"
#include "tls/alpn.hpp"
#include "tls/cipher_policy.hpp"
#include "tls/failure.hpp"
#include "tls/group_policy.hpp"
#include "tls/observations.hpp"
#include "tls/server_name.hpp"

namespace keysluice::tls {

namespace {

/// Keys of 112 bits of strength (RSA 2048) and more, SHA-1 signatures refused.
constexpr int kSecurityLevel = 2;

int number_of(Version version) {
    return version == Version::tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

Result<SslContextPtr> make_context(const SSL_METHOD* method, const Protocol& protocol) {
    SslContextPtr context{SSL_CTX_new(method)};
    if (!context) {
        throw std::bad_alloc();
    }
    SSL_CTX* raw = context.get();
    if (protocol.min_version > protocol.max_version) {
        return fail("version-range-empty", fmt::format("the oldest allowed version, {}, is newer than the newest, {}",
                                                       name_of(protocol.min_version), name_of(protocol.max_version)));
    }
    SSL_CTX_set_min_proto_version(raw, number_of(protocol.min_version));
    SSL_CTX_set_max_proto_version(raw, number_of(protocol.max_version));
    SSL_CTX_set_security_level(raw, kSecurityLevel);
    // The machine's openssl.cnf may have set options, such as leaving out the extended master secret.
    SSL_CTX_clear_options(raw, SSL_CTX_get_options(raw));
    SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
    // The file of a certificate is the chain: OpenSSL would look in ca, which is for the peers', for what it lacks.
    SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(raw, 0);
    if (protocol.export_keys) {
        observe_secrets(raw);
    }
    if (auto applied = apply_ciphers(raw, protocol); !applied) {
        return pass_on(std::move(applied));
    }
    if (auto applied = apply_groups(raw, protocol); !applied) {
        return pass_on(std::move(applied));
    }
    return context;
}

Result<void> revoke(SSL_CTX* context, const std::vector<std::filesystem::path>& files) {
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    for (const std::filesystem::path& file : files) {
        const auto lists = crypto::read_revocation_lists(file);
        if (!lists) {
            return std::unexpected(lists.error());
        }
        for (const crypto::RevocationListPtr& list : *lists) {
            X509_STORE_add_crl(store, list.get());
        }
    }
    if (!files.empty()) {
        X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    }
    ERR_clear_error();  // one that is there twice
    return {};
}

Result<void> trust(SSL_CTX* context, const std::filesystem::path& file,
                   const std::vector<std::filesystem::path>& revocation_lists, bool announce) {
    const auto authorities = crypto::read_authorities(file);
    if (!authorities) {
        return std::unexpected(authorities.error());
    }
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    for (const CertificatePtr& authority : *authorities) {
        X509_STORE_add_cert(store, authority.get());
        if (announce) {
            SSL_CTX_add_client_CA(context, authority.get());
        }
    }
    ERR_clear_error();
    return revoke(context, revocation_lists);
}

/// The name that certificates must carry.
Result<void> expect_name(SSL_CTX* context, const std::string& name) {
    if (name.empty()) {
        return fail("server-name-missing", "server_name is missing: without it any certificate would do");
    }
    X509_VERIFY_PARAM* expected = SSL_CTX_get0_param(context);
    if (X509_VERIFY_PARAM_set1_ip_asc(expected, name.c_str()) == 1) {
        return {};
    }
    ERR_clear_error();
    if (!is_dns_name(name)) {
        return fail(
            "server-name-malformed",
            fmt::format("server_name \"{}\": a DNS name without a final dot or an IP address is expected", name));
    }
    X509_VERIFY_PARAM_set1_host(expected, name.data(), name.size());
    X509_VERIFY_PARAM_set_hostflags(expected,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return {};
}

int verify_mode(ClientCertificate wanted) {
    switch (wanted) {
        case ClientCertificate::none:
            return SSL_VERIFY_NONE;
        case ClientCertificate::optional:
            return SSL_VERIFY_PEER;
        case ClientCertificate::required:
            return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    std::unreachable();
}

}  // namespace

Context::Context(SslContextPtr context, crypto::PeerRules rules)
    : context_(std::move(context)),
      rules_(rules.empty() ? nullptr : std::make_shared<const crypto::PeerRules>(std::move(rules))) {}

Result<Context> Context::server(const ServerSettings& settings, std::chrono::system_clock::time_point now) {
    auto context = make_context(TLS_server_method(), settings.protocol);
    if (!context) {
        return pass_on(std::move(context));
    }
    if (settings.certificate.empty()) {
        return fail("certificate-missing", "a server needs a certificate and its private key");
    }
    std::vector<Identity> identities{
        {.certificate = settings.certificate, .private_key = settings.private_key, .ocsp = settings.ocsp}};
    identities.insert(identities.end(), settings.certificates.begin(), settings.certificates.end());
    if (auto shown = show_certificates(context->get(), identities, now); !shown) {
        return pass_on(std::move(shown));
    }
    speak(context->get(), Role::server, settings.alpn);
    if (settings.client_certificate != ClientCertificate::none) {
        if (settings.ca.empty()) {
            return fail("ca-missing", "client certificates are asked for, but ca does not say whom to trust");
        }
        if (auto trusted = trust(context->get(), settings.ca, settings.revocation_lists, true); !trusted) {
            return pass_on(std::move(trusted));
        }
    }
    SSL_CTX_set_verify(context->get(), verify_mode(settings.client_certificate), nullptr);
    observe_server(context->get());
    if (settings.resumption.office) {
        resume_sessions(context->get(), settings.resumption, std::to_underlying(settings.client_certificate));
    }
    return Context(std::move(*context), settings.rules);
}

Result<Context> Context::client(const ClientSettings& settings, std::chrono::system_clock::time_point now) {
    auto context = make_context(TLS_client_method(), settings.protocol);
    if (!context) {
        return pass_on(std::move(context));
    }
    if (settings.verify && settings.ca.empty()) {
        return fail("ca-missing", "ca does not say whom to trust: no server could be verified");
    }
    if (settings.verify) {
        if (auto trusted = trust(context->get(), settings.ca, settings.revocation_lists, false); !trusted) {
            return pass_on(std::move(trusted));
        }
    }
    if (settings.verify || !settings.server_name.empty()) {
        if (auto expected = expect_name(context->get(), settings.server_name); !expected) {
            return pass_on(std::move(expected));
        }
    }
    if (!settings.certificate.empty()) {
        const Identity own{.certificate = settings.certificate, .private_key = settings.private_key};
        if (auto shown = show_certificates(context->get(), {own}, now); !shown) {
            return pass_on(std::move(shown));
        }
    }
    speak(context->get(), Role::client, settings.alpn);
    observe_client(context->get(), settings.verify);
    Context made(std::move(*context), settings.rules);
    if (settings.session_lifetime.count() > 0) {
        made.sessions_ = std::make_shared<ClientSessions>(settings.session_lifetime);
        observe_tickets(made.get());
    }
    return made;
}

}  // namespace keysluice::tls
