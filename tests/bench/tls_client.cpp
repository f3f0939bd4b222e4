#include "tests/bench/tls_client.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/bench/loopback.hpp"

namespace keysluice::bench {

namespace {

constexpr std::string_view kGreeting = "hello";
constexpr int kTimeoutSeconds = 20;

}  // namespace

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

Result<EchoConnection> open_echoed(SSL_CTX* context, std::uint16_t port) {
    Result<UniqueFd> fd = connect_blocking(port, kTimeoutSeconds);
    if (!fd) {
        return pass_on(std::move(fd));
    }
    Result<SslConnection> tls = client_on(context, fd->get());
    if (!tls) {
        return pass_on(std::move(tls));
    }
    EchoConnection connection{std::move(*fd), std::move(*tls)};
    if (Result<void> echoed = echo(connection, as_bytes(kGreeting)); !echoed) {
        return pass_on(std::move(echoed));
    }
    return connection;
}

Result<void> echo(const EchoConnection& connection, Bytes bytes) {
    std::vector<std::uint8_t> answer(bytes.size());
    std::size_t done = 0;
    if (SSL_write_ex(connection.tls.get(), bytes.data(), bytes.size(), &done) != 1) {
        return fail("connection-broken", openssl_error());
    }
    for (std::size_t came = 0; came < answer.size(); came += done) {
        if (SSL_read_ex(connection.tls.get(), answer.data() + came, answer.size() - came, &done) != 1) {
            return fail("connection-broken", openssl_error());
        }
    }
    if (!std::ranges::equal(answer, bytes)) {
        return fail("echo-damaged", "the service returned something else than it was sent");
    }
    return {};
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
