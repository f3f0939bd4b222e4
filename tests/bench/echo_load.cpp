// echo_load PORT CONNECTIONS ECHOES HANDSHAKES: how long a small echo takes through a TLS service to echo_backend
// that has CONNECTIONS, while HANDSHAKES new ones a second come, each with a full handshake, and go.
//
// ECHOES of 64 bytes, one after the other, each over the next connection. Prints one JSON object: percentiles of
// their time, and how many handshakes there were meanwhile.
#include <openssl/ssl.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>
#include <vector>

#include "tests/bench/loopback.hpp"
#include "tests/bench/tls_client.hpp"

namespace keysluice::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array<std::uint8_t, 64> kMessage{1, 2, 3};

struct Order {
    std::uint16_t port;
    std::uint64_t connections;
    std::uint64_t echoes;
    std::uint64_t handshakes;
};

/// Comes and goes, in a thread of its own, until it is told to end.
class Passers {
   public:
    Passers(SSL_CTX* context, const Order& order) : thread_([this, context, order] { come(context, order); }) {}

    /// How many came.
    Result<std::uint64_t> end() {
        over_ = true;
        thread_.join();
        return result_;
    }

   private:
    void come(SSL_CTX* context, const Order& order) {
        const auto pause = std::chrono::nanoseconds(std::chrono::seconds(1)) / order.handshakes;
        for (auto next = Clock::now(); !over_; next += pause) {
            std::this_thread::sleep_until(next);
            const auto passer = open_echoed(context, order.port);
            if (!passer) {
                result_ = std::unexpected(passer.error());
                return;
            }
            SSL_shutdown(passer->tls.get());
            ++*result_;
        }
    }

    std::atomic<bool> over_ = false;
    Result<std::uint64_t> result_ = 0;
    std::thread thread_;
};

Result<std::vector<EchoConnection>> open_all(SSL_CTX* context, const Order& order) {
    std::vector<EchoConnection> connections;
    while (connections.size() < order.connections) {
        auto connection = open_echoed(context, order.port);
        if (!connection) {
            return pass_on(std::move(connection));
        }
        connections.push_back(std::move(*connection));
    }
    return connections;
}

Result<std::vector<double>> time_echoes(const std::vector<EchoConnection>& connections, std::uint64_t count) {
    std::vector<double> taken_us;
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto began = Clock::now();
        if (auto echoed = echo(connections[i % connections.size()], kMessage); !echoed) {
            return pass_on(std::move(echoed));
        }
        taken_us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - began).count());
    }
    return taken_us;
}

int run(const Order& order) {
    const auto context = tls13_client();
    if (!context) {
        return report(context.error());
    }
    const auto connections = open_all(context->get(), order);
    if (!connections) {
        return report(connections.error());
    }
    const auto began = Clock::now();
    Passers passers(context->get(), order);
    auto taken_us = time_echoes(*connections, order.echoes);
    const auto passed = passers.end();
    if (!taken_us || !passed) {
        return report(taken_us ? passed.error() : taken_us.error());
    }
    const std::chrono::duration<double> seconds = Clock::now() - began;
    std::printf("{\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"handshakes\": %llu, \"seconds\": %.6f}\n",
                percentile(*taken_us, 0.50), percentile(*taken_us, 0.99), percentile(*taken_us, 0.999),
                static_cast<unsigned long long>(*passed), seconds.count());
    return 0;
}

}  // namespace
}  // namespace keysluice::bench

int main(int argc, char** argv) {
    using namespace keysluice::bench;
    if (argc != 5) {
        std::fputs("usage: echo_load PORT CONNECTIONS ECHOES HANDSHAKES\n", stderr);
        return 2;
    }
    const auto port = parse_number(argv[1], 65535);
    const auto connections = parse_number(argv[2], 100'000);
    const auto echoes = parse_number(argv[3], 10'000'000);
    const auto handshakes = parse_number(argv[4], 100'000);
    if (!port || !connections || !echoes || !handshakes) {
        return report({"bad-argument", "expected PORT CONNECTIONS ECHOES HANDSHAKES"});
    }
    return run({static_cast<std::uint16_t>(*port), *connections, *echoes, *handshakes});
}
