#include "daemon/shared/connector.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cstring>
#include <memory>
#include <optional>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::test;
using namespace std::chrono_literals;

namespace {

/// A TCP socket on a port of its own, which listens if it is told to.
struct Target {
    explicit Target(std::optional<int> backlog) : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(address);
        REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
        REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
        if (backlog) {
            REQUIRE(::listen(socket.get(), *backlog) == 0);
        }
        endpoint = {{127, 0, 0, 1}, ntohs(address.sin_port)};
    }
    [[nodiscard]] bool was_called() const {
        pollfd asked{.fd = socket.get(), .events = POLLIN, .revents = 0};
        return ::poll(&asked, 1, 0) == 1;
    }
    UniqueFd socket;
    Ipv4Endpoint endpoint;
};

/// Listens, and takes nothing: the kernel answers no more, because its queue is full.
struct SilentTarget : Target {
    SilentTarget() : Target(0) {
        // A queue of 0 holds one connection; what comes after it gets no answer to its SYN.
        for (UniqueFd& one : waiting) {
            one.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            const SocketAddress address = to_socket_address(endpoint).value();
            static_cast<void>(::connect(one.get(), address.get(), address.length));
        }
    }
    std::array<UniqueFd, 4> waiting;
};

struct Attempt {
    Attempt(std::vector<Endpoint> to, std::size_t first, Duration timeout = 1h)
        : targets(std::move(to)),
          connector(std::make_unique<Connector>(loop, targets, first, timeout, [this](Result<UniqueFd> socket) {
              CHECK_FALSE(result);
              result.emplace(std::move(socket));
              loop.bury(std::move(connector));
          })) {}

    const Result<UniqueFd>& outcome() {
        connector->start();
        turn_until(loop, [&] { return result.has_value(); });
        settle(loop);
        return *result;
    }

    Loop loop;
    std::vector<Endpoint> targets;
    std::optional<Result<UniqueFd>> result;
    std::unique_ptr<Connector> connector;
};

int option(const UniqueFd& socket, int level, int name) {
    int value = 0;
    socklen_t size = sizeof(value);
    REQUIRE(getsockopt(socket.get(), level, name, &value, &size) == 0);
    return value;
}

}  // namespace

TEST_CASE("the target that is first in turn gets the connection") {
    const Target one(8);
    const Target other(8);
    for (const std::size_t first : {0U, 1U, 2U, 3U}) {
        Attempt attempt({one.endpoint, other.endpoint}, first);
        REQUIRE(attempt.outcome());
        CHECK(one.was_called() == (first % 2 == 0));
        CHECK(other.was_called() == (first % 2 == 1));
        const UniqueFd taken(::accept((first % 2 == 0 ? one : other).socket.get(), nullptr, nullptr));
    }
}

TEST_CASE("a TCP connection sends at once, notices a dead peer, and does not block") {
    const Target target(8);
    Attempt attempt({target.endpoint}, 0);
    const auto& socket = attempt.outcome();
    REQUIRE(socket);
    CHECK(option(*socket, IPPROTO_TCP, TCP_NODELAY) != 0);
    CHECK(option(*socket, SOL_SOCKET, SO_KEEPALIVE) != 0);
    CHECK((fcntl(socket->get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((fcntl(socket->get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("when a target refuses the next one is tried, around the end of the list") {
    const Target refuses(std::nullopt);
    const Target answers(8);
    Attempt attempt({answers.endpoint, refuses.endpoint, refuses.endpoint}, 1);
    REQUIRE(attempt.outcome());
    CHECK(answers.was_called());
}

TEST_CASE("each target is tried once, and the error says what each of them answered") {
    const RuntimeFolder folder;
    const Target refuses(std::nullopt);
    const UnixEndpoint missing{folder / "backend.sock"};
    Attempt attempt({refuses.endpoint, missing, HostEndpoint{"host.example", 80}}, 1);
    const auto& socket = attempt.outcome();
    REQUIRE_FALSE(socket);
    CHECK(socket.error().reason == "backend-unreachable");
    CHECK(socket.error().sentence == "none of the 3 targets in connect answers: unix:" + missing.path +
                                         ": No such file or directory, host.example:80: Invalid argument, " +
                                         to_string(refuses.endpoint) + ": Connection refused");
}

TEST_CASE("a target that does not answer in time is left for the next one") {
    const SilentTarget silent;
    const Target answers(8);
    Attempt attempt({silent.endpoint, answers.endpoint}, 0, 1ms);
    // The second one has a millisecond as well, and on a slow machine that may be too little.
    const auto& socket = attempt.outcome();
    CHECK(answers.was_called());
    if (!socket) {
        CHECK(socket.error().sentence.find(to_string(answers.endpoint)) != std::string::npos);
    }
}

TEST_CASE("silence is among the answers") {
    const SilentTarget silent;
    Attempt attempt({silent.endpoint}, 0, 1ms);
    const auto& socket = attempt.outcome();
    REQUIRE_FALSE(socket);
    CHECK(socket.error().sentence.ends_with(to_string(silent.endpoint) + ": Connection timed out"));
}

TEST_CASE("a unix backend is connected before start() returns") {
    const RuntimeFolder folder;
    const std::string path = folder / "backend.sock";
    const SocketAddress address = to_socket_address(UnixEndpoint{path}).value();
    const UniqueFd backend(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(backend.get(), address.get(), address.length) == 0);
    REQUIRE(::listen(backend.get(), 1) == 0);
    Attempt attempt({UnixEndpoint{path}}, 0);
    attempt.connector->start();
    REQUIRE(attempt.result);
    CHECK(attempt.result->has_value());
}

TEST_CASE("destroying a connector cancels its attempt") {
    const SilentTarget silent;
    Attempt attempt({silent.endpoint}, 0, 1ms);
    attempt.connector->start();
    CHECK_FALSE(attempt.result);
    attempt.connector.reset();
    const Instant later = now() + 5ms;
    turn_until(attempt.loop, [&] { return now() > later; });
    CHECK_FALSE(attempt.result);
}
