// transfer_load PORT upload|download BYTES CIPHERSUITE: one bulk transfer through a TLS service to transfer_backend.
//
// Prints {"bytes":…,"seconds":…} when the SHA-256 on both ends is equal, and fails otherwise.
#include <openssl/ssl.h>

#include <chrono>
#include <cstdio>
#include <optional>
#include <string_view>

#include "tests/bench/loopback.hpp"
#include "tests/bench/payload.hpp"
#include "tests/bench/tls_client.hpp"

namespace keysluice::bench {
namespace {

constexpr int kTimeoutSeconds = 120;
constexpr std::uint64_t kMostBytes = 1ULL << 40U;

struct Order {
    std::uint16_t port;
    Direction direction;
    std::uint64_t bytes;
    const char* ciphersuite;
};

Result<std::size_t> read_some(SSL* tls, MutableBytes target) {
    std::size_t got = 0;
    if (SSL_read_ex(tls, target.data(), target.size(), &got) != 1) {
        return fail("transfer-broken", "reading: " + openssl_error());
    }
    return got;
}

Result<void> write_all(SSL* tls, Bytes bytes) {
    std::size_t sent = 0;
    if (SSL_write_ex(tls, bytes.data(), bytes.size(), &sent) != 1) {
        return fail("transfer-broken", "writing: " + openssl_error());
    }
    return {};
}

/// The digest of what this end saw, then the digest that the backend sent.
Result<std::pair<Digest, Digest>> exchange(SSL* tls, const Order& order) {
    const auto reader = [tls](MutableBytes target) { return read_some(tls, target); };
    const auto writer = [tls](Bytes bytes) { return write_all(tls, bytes); };
    Writer header;
    header.be(static_cast<std::uint8_t>(order.direction)).be(order.bytes);
    if (Result<void> sent = writer(header.view()); !sent) {
        return pass_on(std::move(sent));
    }
    Result<Digest> here = order.direction == Direction::Upload ? send_payload(order.bytes, writer)
                                                               : receive_payload(order.bytes, reader);
    if (!here) {
        return pass_on(std::move(here));
    }
    Digest there{};
    if (Result<void> got = receive_exactly(there, reader); !got) {
        return pass_on(std::move(got));
    }
    return std::pair(*here, there);
}

Result<double> transfer(const Order& order) {
    const Result<SslContext> context = tls13_client();
    if (!context) {
        return std::unexpected(context.error());
    }
    if (SSL_CTX_set_ciphersuites(context->get(), order.ciphersuite) != 1) {
        return fail("bad-argument", std::string("unknown cipher suite ") + order.ciphersuite);
    }
    const Result<UniqueFd> fd = connect_blocking(order.port, kTimeoutSeconds);
    if (!fd) {
        return std::unexpected(fd.error());
    }
    const Result<SslConnection> tls = client_on(context->get(), fd->get());
    if (!tls) {
        return std::unexpected(tls.error());
    }
    const auto start = std::chrono::steady_clock::now();
    const Result<std::pair<Digest, Digest>> digests = exchange(tls->get(), order);
    if (!digests) {
        return std::unexpected(digests.error());
    }
    if (digests->first != digests->second) {
        return fail("payload-damaged", "the SHA-256 of the payload differs between the two ends");
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    SSL_shutdown(tls->get());
    return taken.count();
}

std::optional<Direction> parse_direction(std::string_view word) {
    if (word == "upload") {
        return Direction::Upload;
    }
    return word == "download" ? std::optional(Direction::Download) : std::nullopt;
}

int run(char** arguments) {
    const Result<std::uint64_t> port = parse_number(arguments[1], 65535);
    const std::optional<Direction> direction = parse_direction(arguments[2]);
    const Result<std::uint64_t> bytes = parse_number(arguments[3], kMostBytes);
    if (!port || !direction || !bytes) {
        return report({"bad-argument", "expected PORT upload|download BYTES CIPHERSUITE"});
    }
    const Order order{static_cast<std::uint16_t>(*port), *direction, *bytes, arguments[4]};
    const Result<double> seconds = transfer(order);
    if (!seconds) {
        return report(seconds.error());
    }
    std::printf("{\"bytes\": %llu, \"seconds\": %.6f}\n", static_cast<unsigned long long>(order.bytes), *seconds);
    return 0;
}

}  // namespace
}  // namespace keysluice::bench

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fputs("usage: transfer_load PORT upload|download BYTES CIPHERSUITE\n", stderr);
        return 2;
    }
    return keysluice::bench::run(argv);
}
