// hold_load PORT COUNT: keeps COUNT idle connections through a TLS service to echo_backend.
//
// Opens and closes one connection, so that the service has loaded whatever it loads once, prints 0 and waits for a
// line. Then it opens COUNT connections with a checked 5-byte echo on each, prints COUNT, and waits for a line again.
// It is one process for both states because the pages of the TLS library that it shares with the service count in the
// service's PSS.
#include <openssl/ssl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/loopback.hpp"
#include "tests/bench/tls_client.hpp"

namespace keysluice::bench {
namespace {

/// Waits for one line on standard input, or for its end.
void wait_for_line() {
    std::array<char, 64> ignored{};
    static_cast<void>(!::read(STDIN_FILENO, ignored.data(), ignored.size()));
}

void announce(std::uint64_t connections) {
    std::printf("%llu\n", static_cast<unsigned long long>(connections));
    std::fflush(stdout);
}

void close_all(std::vector<EchoConnection>& connections) {
    for (const EchoConnection& connection : connections) {
        SSL_shutdown(connection.tls.get());
    }
    connections.clear();
}

Result<void> open_many(SSL_CTX* context, std::uint16_t port, std::uint64_t count,
                       std::vector<EchoConnection>& connections) {
    while (connections.size() < count) {
        Result<EchoConnection> connection = open_echoed(context, port);
        if (!connection) {
            return fail(connection.error().reason,
                        "connection " + std::to_string(connections.size() + 1) + ": " + connection.error().sentence);
        }
        connections.push_back(std::move(*connection));
    }
    return {};
}

Result<void> hold(std::uint16_t port, std::uint64_t count) {
    const Result<SslContext> context = tls13_client();
    if (!context) {
        return std::unexpected(context.error());
    }
    std::vector<EchoConnection> connections;
    for (const std::uint64_t target : {std::uint64_t{1}, count}) {
        if (Result<void> opened = open_many(context->get(), port, target, connections); !opened) {
            return opened;
        }
        if (target == 1) {
            close_all(connections);
        }
        announce(connections.size());
        wait_for_line();
    }
    close_all(connections);
    return {};
}

int run(char** arguments) {
    const Result<std::uint64_t> port = parse_number(arguments[1], 65535);
    const Result<std::uint64_t> count = parse_number(arguments[2], 100'000);
    if (!port || !count) {
        return report({"bad-argument", "expected PORT COUNT"});
    }
    const Result<void> held = hold(static_cast<std::uint16_t>(*port), *count);
    return held ? 0 : report(held.error());
}

}  // namespace
}  // namespace keysluice::bench

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: hold_load PORT COUNT\n", stderr);
        return 2;
    }
    return keysluice::bench::run(argv);
}
