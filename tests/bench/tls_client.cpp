#include "tests/bench/tls_client.hpp"

#include <openssl/err.h>

#include <array>

namespace keysluice::bench {

Result<SslContext> tls13_client() {
    SslContext context(SSL_CTX_new(TLS_client_method()));
    if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1) {
        return fail("openssl-failed", openssl_error());
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
    return context;
}

Result<SslConnection> client_on(SSL_CTX* context, int fd) {
    SslConnection connection(SSL_new(context));
    if (!connection || SSL_set_fd(connection.get(), fd) != 1) {
        return fail("openssl-failed", openssl_error());
    }
    SSL_set_connect_state(connection.get());
    return connection;
}

std::string openssl_error() {
    std::array<char, 256> text{};
    const unsigned long code = ERR_get_error();
    if (code == 0) {
        return "the connection ended early";
    }
    ERR_error_string_n(code, text.data(), text.size());
    return text.data();
}

}  // namespace keysluice::bench
