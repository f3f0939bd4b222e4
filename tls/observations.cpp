#include "tls/observations.hpp"

#include <openssl/ssl3.h>
#include <openssl/x509_vfy.h>

#include <string_view>

#include "base/bytes.hpp"
#include "crypto/credentials.hpp"
#include "tls/hello.hpp"

namespace keysluice::tls {

namespace {

unsigned nibble(char digit) {
    return static_cast<unsigned>(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
}

void read_hex(std::string_view hex, Secret<48>& into) {
    const MutableBytes out = into.writable(hex.size() / 2);
    for (std::size_t index = 0; index < out.size(); ++index) {
        out[index] = static_cast<std::uint8_t>((nibble(hex[2 * index]) << 4U) | nibble(hex[2 * index + 1]));
    }
}

/// A line of the key log format: "LABEL client-random secret", both in hexadecimal. OpenSSL wipes it afterwards.
void on_secret(const SSL* ssl, const char* text) {
    const std::string_view line{text};
    const std::string_view label = line.substr(0, line.find(' '));
    const std::string_view secret = line.substr(line.rfind(' ') + 1);
    if (label == "CLIENT_TRAFFIC_SECRET_0") {
        read_hex(secret, observations_of(ssl).client_traffic_secret);
    } else if (label == "SERVER_TRAFFIC_SECRET_0") {
        read_hex(secret, observations_of(ssl).server_traffic_secret);
    }
}

int on_client_hello(SSL* ssl, int* alert, void* /*argument*/) {
    const unsigned char* extension = nullptr;
    std::size_t size = 0;
    Observations& seen = observations_of(ssl);
    // Under TLS 1.2, SSL_get_servername() tells of a resumed session what name it began with.
    seen.server_name.clear();
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &extension, &size) == 1) {
        seen.server_name = server_name_in({extension, size});
    }
    const bool tls13 = SSL_get_max_proto_version(ssl) == TLS1_3_VERSION &&
                       SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &extension, &size) == 1 &&
                       offers_tls13({extension, size});
    if (tls13 || SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_extended_master_secret, &extension, &size) == 1) {
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    // RFC 7627 5.2: "If the server receives a ClientHello without the extension, it SHOULD abort the handshake if it
    // does not wish to interoperate with legacy clients."
    seen.stopped_without_extended_master_secret = true;
    *alert = SSL_AD_HANDSHAKE_FAILURE;
    return SSL_CLIENT_HELLO_ERROR;
}

void on_message(int written, int /*version*/, int content_type, const void* bytes, std::size_t size, SSL* ssl,
                void* /*argument*/) {
    if (content_type != SSL3_RT_HANDSHAKE || size == 0) {
        return;
    }
    Observations& seen = observations_of(ssl);
    const Bytes message{static_cast<const std::uint8_t*>(bytes), size};
    const bool key_update = message[0] == SSL3_MT_KEY_UPDATE;
    if (written != 0) {
        if (key_update) {
            seen.keys.changed_ours(false);
        }
    } else if (seen.established) {
        if (!key_update || seen.keys.asked == 0) {
            seen.flood.handshake_message(message[0]);
        }
        if (key_update) {
            seen.keys.changed_theirs();
        }
    } else if (message[0] == SSL3_MT_SERVER_HELLO) {
        seen.extended_master_secret = has_extended_master_secret(message);
    }
}

/// Whether the rules let the peer's own certificate in.
bool welcome(Observations& seen, const X509* certificate, X509_STORE_CTX& store) {
    if (!seen.rules) {
        return true;
    }
    const auto objection = certificate != nullptr ? crypto::objection(*seen.rules, *certificate) : "there is none";
    if (objection) {
        seen.objection = *objection;
        X509_STORE_CTX_set_error(&store, X509_V_ERR_CERT_REJECTED);  // the alert is bad_certificate
    }
    return !objection;
}

int on_certificate(int verified, X509_STORE_CTX* store) {
    const auto* ssl =
        static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    Observations& seen = observations_of(ssl);
    // RFC 7627 5.2: "If a client receives a ServerHello without the extension, it SHOULD abort the handshake if it
    // does not wish to interoperate with legacy servers." The certificate is the first thing behind the ServerHello
    // that we are asked about, and this error makes OpenSSL send the handshake_failure alert.
    if (SSL_is_server(ssl) == 0 && SSL_version(ssl) != TLS1_3_VERSION && !seen.extended_master_secret) {
        seen.stopped_without_extended_master_secret = true;
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
        return 0;
    }
    // Of whose issuer there is no revocation list: an intermediate authority is taken as it is.
    if (verified == 0 && X509_STORE_CTX_get_error(store) == X509_V_ERR_UNABLE_TO_GET_CRL &&
        X509_STORE_CTX_get_error_depth(store) > 0) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    const X509* certificate = X509_STORE_CTX_get_current_cert(store);
    if (verified != 0 && (X509_STORE_CTX_get_error_depth(store) > 0 || welcome(seen, certificate, *store))) {
        return 1;
    }
    seen.rejected_subject = certificate != nullptr ? crypto::subject_of(*certificate) : std::string();
    return 0;
}

/// For a client that verifies nobody. Its peers need the extended master secret all the same: so it asks OpenSSL to
/// verify, and lets the rest pass.
int on_any_certificate(int /*verified*/, X509_STORE_CTX* store) {
    return on_certificate(1, store);
}

/// OpenSSL gives us a reference of our own when we say 1.
int on_ticket(SSL* ssl, SSL_SESSION* session) {
    const Observations& seen = observations_of(ssl);
    if (!seen.sessions || SSL_SESSION_is_resumable(session) == 0) {
        return 0;
    }
    const Instant begun = SSL_session_reused(ssl) == 1 ? seen.session_begun : seen.begun;
    seen.sessions->keep(seen.server, {.session = SslSessionPtr(session), .begun = begun});
    return 1;
}

}  // namespace

void observe_server(SSL_CTX* context) {
    SSL_CTX_set_client_hello_cb(context, on_client_hello, nullptr);
    SSL_CTX_set_msg_callback(context, on_message);
    SSL_CTX_set_verify(context, SSL_CTX_get_verify_mode(context), on_certificate);
}

void observe_client(SSL_CTX* context, bool verify) {
    SSL_CTX_set_msg_callback(context, on_message);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, verify ? on_certificate : on_any_certificate);
}

void observe_secrets(SSL_CTX* context) {
    SSL_CTX_set_keylog_callback(context, on_secret);
}

void observe_tickets(SSL_CTX* context) {
    SSL_CTX_clear_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_ticket);
}

void attach(SSL* ssl, Observations& observations) {
    SSL_set_app_data(ssl, &observations);
}

Observations& observations_of(const SSL* ssl) {
    return *static_cast<Observations*>(SSL_get_app_data(ssl));
}

}  // namespace keysluice::tls
