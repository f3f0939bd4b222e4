// handshake_load PORT COUNT CLIENTS full|resumed: COUNT connections through a TLS service to echo_backend, CLIENTS of
// them at a time and each replaced as soon as it ends. One connection is a TLS 1.3 handshake, a 5-byte echo that is
// checked, close_notify, and the wait for the service to close too.
//
// Prints one JSON object: how many of which kind, the seconds it took, and percentiles of the handshake latency,
// which counts from connect() to the moment at which the client may send.
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/bench/loopback.hpp"
#include "tests/bench/tls_client.hpp"

namespace keysluice::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kGreeting = "hello";
constexpr int kStallMilliseconds = 20000;
constexpr int kWalletIndex = 0;  // OpenSSL keeps this one for the application

struct Order {
    std::uint16_t port;
    std::uint64_t count;
    std::uint64_t clients;
    bool resume;
};

struct Tally {
    std::vector<double> handshake_us;
    std::uint64_t resumed = 0;
    std::uint64_t tickets = 0;
    std::uint64_t closed_without_notify = 0;
};

enum class Step : std::uint8_t { Handshake, Send, Receive, Close, Done };

/// Sessions that the service has offered, each used once (RFC 8446 C.4: "Clients SHOULD NOT reuse a ticket").
struct Wallet {
    bool wanted;
    std::uint64_t tickets = 0;
    std::vector<SslSession> sessions;
};

int keep_session(SSL* tls, SSL_SESSION* session) {
    auto* wallet = static_cast<Wallet*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(tls), kWalletIndex));
    ++wallet->tickets;
    if (!wallet->wanted) {
        return 0;
    }
    wallet->sessions.emplace_back(session);
    return 1;
}

/// One connection: `advance` goes on until the socket has to be waited for.
class Client {
   public:
    Client(UniqueFd fd, SslConnection tls) : fd_(std::move(fd)), tls_(std::move(tls)), started_(Clock::now()) {}

    Result<Step> advance(Tally& tally) {
        while (step_ != Step::Done) {
            ERR_clear_error();
            const int outcome = act();
            if (outcome <= 0) {
                const int why = SSL_get_error(tls_.get(), outcome);
                if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
                    return step_;
                }
                if (step_ != Step::Close) {
                    return fail("connection-broken", openssl_error());
                }
                tally.closed_without_notify += why == SSL_ERROR_ZERO_RETURN ? 0U : 1U;
            }
            if (Result<void> finished = finish_step(tally); !finished) {
                return pass_on(std::move(finished));
            }
        }
        return step_;
    }

    [[nodiscard]] int fd() const { return fd_.get(); }

   private:
    int act() {
        switch (step_) {
            case Step::Handshake:
                return SSL_do_handshake(tls_.get());
            case Step::Send:
                return SSL_write(tls_.get(), kGreeting.data(), static_cast<int>(kGreeting.size()));
            case Step::Receive:
                return SSL_read(tls_.get(), answer_.data(), static_cast<int>(answer_.size()));
            case Step::Close:
                return SSL_read(tls_.get(), answer_.data(), static_cast<int>(answer_.size()));
            case Step::Done:
                break;
        }
        return 1;
    }

    Result<void> finish_step(Tally& tally) {
        switch (step_) {
            case Step::Handshake:
                tally.handshake_us.push_back(
                    std::chrono::duration<double, std::micro>(Clock::now() - started_).count());
                tally.resumed += SSL_session_reused(tls_.get()) == 1 ? 1U : 0U;
                step_ = Step::Send;
                return {};
            case Step::Send:
                step_ = Step::Receive;
                return {};
            case Step::Receive:
                if (std::string_view(answer_.data(), answer_.size()) != kGreeting) {
                    return fail("echo-damaged", "the service returned something else than it was sent");
                }
                SSL_shutdown(tls_.get());
                step_ = Step::Close;
                return {};
            case Step::Close:
                step_ = Step::Done;
                return {};
            case Step::Done:
                return {};
        }
        std::unreachable();
    }

    UniqueFd fd_;
    SslConnection tls_;
    Clock::time_point started_;
    Step step_ = Step::Handshake;
    std::array<char, kGreeting.size()> answer_{};
};

class Load {
   public:
    explicit Load(const Order& order)
        : order_(order), wallet_{.wanted = order.resume, .tickets = 0, .sessions = {}} {}

    Result<Tally> run() {
        Result<SslContext> context = tls13_client();
        if (!context) {
            return pass_on(std::move(context));
        }
        context_ = std::move(*context);
        SSL_CTX_set_ex_data(context_.get(), kWalletIndex, &wallet_);
        SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context_.get(), keep_session);
        clients_.resize(order_.clients);
        for (std::size_t slot = 0; slot < clients_.size(); ++slot) {
            if (Result<void> started = start(slot); !started) {
                return pass_on(std::move(started));
            }
        }
        return loop();
    }

   private:
    Result<Tally> loop() {
        std::array<epoll_event, 64> events;
        while (finished_ < order_.count) {
            const int ready = ::epoll_wait(epoll_.get(), events.data(), events.size(), kStallMilliseconds);
            if (ready <= 0) {
                return fail("stalled",
                            "after " + std::to_string(finished_) + " connections nothing happened any more");
            }
            for (int i = 0; i < ready; ++i) {
                if (Result<void> done = advance(events.at(static_cast<std::size_t>(i)).data.u64); !done) {
                    return pass_on(std::move(done));
                }
            }
        }
        tally_.tickets = wallet_.tickets;
        return std::move(tally_);
    }

    Result<void> advance(std::size_t slot) {
        if (!clients_[slot]) {
            return {};
        }
        const Result<Step> step = clients_[slot]->advance(tally_);
        if (!step) {
            return std::unexpected(step.error());
        }
        if (*step != Step::Done) {
            return {};
        }
        ++finished_;
        clients_[slot].reset();
        return start(slot);
    }

    Result<void> start(std::size_t slot) {
        if (started_ == order_.count) {
            return {};
        }
        ++started_;
        Result<UniqueFd> fd = start_connect(order_.port);
        if (!fd) {
            return pass_on(std::move(fd));
        }
        Result<SslConnection> tls = client_on(context_.get(), fd->get());
        if (!tls) {
            return pass_on(std::move(tls));
        }
        if (!wallet_.sessions.empty()) {
            SSL_set_session(tls->get(), wallet_.sessions.back().get());
            wallet_.sessions.pop_back();
        }
        clients_[slot].emplace(std::move(*fd), std::move(*tls));
        epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u64 = slot}};
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, clients_[slot]->fd(), &event);
        return {};
    }

    Order order_;
    Wallet wallet_;
    Tally tally_;
    UniqueFd epoll_{::epoll_create1(EPOLL_CLOEXEC)};
    SslContext context_;
    std::vector<std::optional<Client>> clients_;
    std::uint64_t started_ = 0;
    std::uint64_t finished_ = 0;
};

int run(char** arguments) {
    const Result<std::uint64_t> port = parse_number(arguments[1], 65535);
    const Result<std::uint64_t> count = parse_number(arguments[2], 10'000'000);
    const Result<std::uint64_t> clients = parse_number(arguments[3], 1000);
    const std::string_view kind(arguments[4]);
    if (!port || !count || !clients || (kind != "full" && kind != "resumed")) {
        return report({"bad-argument", "expected PORT COUNT CLIENTS full|resumed"});
    }
    const auto start = Clock::now();
    Result<Tally> tally = Load({static_cast<std::uint16_t>(*port), *count, *clients, kind == "resumed"}).run();
    if (!tally) {
        return report(tally.error());
    }
    const std::chrono::duration<double> taken = Clock::now() - start;
    std::printf(
        "{\"count\": %zu, \"resumed\": %llu, \"tickets\": %llu, \"closed_without_notify\": %llu, \"seconds\": %.6f, "
        "\"p50_us\": %.1f, \"p99_us\": %.1f}\n",
        tally->handshake_us.size(), static_cast<unsigned long long>(tally->resumed),
        static_cast<unsigned long long>(tally->tickets),
        static_cast<unsigned long long>(tally->closed_without_notify), taken.count(),
        percentile(tally->handshake_us, 0.50), percentile(tally->handshake_us, 0.99));
    return 0;
}

}  // namespace
}  // namespace keysluice::bench

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fputs("usage: handshake_load PORT COUNT CLIENTS full|resumed\n", stderr);
        return 2;
    }
    return keysluice::bench::run(argv);
}
