// rekey_load PORT ROUNDS change|keep: ROUNDS of 32 KiB to echo_backend and back, over one connection of TLS 1.3. With
// "change" each begins with a KeyUpdate that asks for one (RFC 8446 section 4.6.3): both sides' keys change.
//
// Prints one JSON object: the rounds, and the seconds they took.
#include <openssl/ssl.h>

#include <chrono>
#include <cstdio>
#include <string_view>
#include <vector>

#include "tests/bench/loopback.hpp"
#include "tests/bench/tls_client.hpp"

namespace keysluice::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPiece = 16UL * 1024;
constexpr int kPieces = 2;

Result<void> converse(const EchoConnection& connection, std::uint64_t rounds, bool change) {
    std::vector<std::uint8_t> piece(kPiece);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        if (change && SSL_key_update(connection.tls.get(), SSL_KEY_UPDATE_REQUESTED) != 1) {
            return fail("openssl-failed", openssl_error());
        }
        for (int i = 0; i < kPieces; ++i) {
            ++piece[round % kPiece];
            if (auto echoed = echo(connection, piece); !echoed) {
                return echoed;
            }
        }
    }
    return {};
}

int run(std::uint16_t port, std::uint64_t rounds, bool change) {
    const auto context = tls13_client();
    if (!context) {
        return report(context.error());
    }
    const auto connection = open_echoed(context->get(), port);
    if (!connection) {
        return report(connection.error());
    }
    const auto began = Clock::now();
    if (const auto done = converse(*connection, rounds, change); !done) {
        return report(done.error());
    }
    const std::chrono::duration<double> seconds = Clock::now() - began;
    SSL_shutdown(connection->tls.get());
    std::printf("{\"rounds\": %llu, \"seconds\": %.6f}\n", static_cast<unsigned long long>(rounds), seconds.count());
    return 0;
}

}  // namespace
}  // namespace keysluice::bench

int main(int argc, char** argv) {
    using namespace keysluice::bench;
    const auto port = parse_number(argc > 1 ? argv[1] : "", 65535);
    const auto rounds = parse_number(argc > 2 ? argv[2] : "", 10'000'000);
    const std::string_view what(argc > 3 ? argv[3] : "");
    if (argc != 4 || !port || !rounds || (what != "change" && what != "keep")) {
        std::fputs("usage: rekey_load PORT ROUNDS change|keep\n", stderr);
        return 2;
    }
    return run(static_cast<std::uint16_t>(*port), *rounds, what == "change");
}
