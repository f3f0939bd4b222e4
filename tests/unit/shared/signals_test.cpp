#include "daemon/shared/signals.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>

#include <vector>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

/// Puts back what a test changed of this process.
struct SignalState {
    SignalState() {
        sigprocmask(SIG_SETMASK, nullptr, &mask);
        sigaction(SIGPIPE, nullptr, &pipe);
    }
    SignalState(const SignalState&) = delete;
    SignalState& operator=(const SignalState&) = delete;
    ~SignalState() {
        sigprocmask(SIG_SETMASK, &mask, nullptr);
        sigaction(SIGPIPE, &pipe, nullptr);
    }
    sigset_t mask{};
    struct sigaction pipe{};
};

/// What a child process ends with.
template <typename Body>
int status_of_child(Body body) {
    const pid_t child = ::fork();
    if (child == 0) {
        _exit(body());
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return status;
}

}  // namespace

TEST_CASE("signals become events of the loop") {
    const SignalState before;
    Loop loop;
    std::vector<int> seen;
    const Signals signals(loop, {SIGUSR1, SIGUSR2}, [&](int signal) { seen.push_back(signal); });
    REQUIRE(::raise(SIGUSR2) == 0);
    REQUIRE(::raise(SIGUSR1) == 0);
    CHECK(seen.empty());
    settle(loop);
    CHECK(seen == std::vector<int>{SIGUSR1, SIGUSR2});
}

TEST_CASE("writing to a peer that is gone does not kill") {
    const SignalState before;
    Loop loop;
    const Signals signals(loop, {SIGUSR1}, [](int) {});
    auto [near, far] = stream_pair();
    far.reset();
    CHECK(::write(near.get(), "x", 1) == -1);
    CHECK(errno == EPIPE);
}

TEST_CASE("a child gets the signals back as a program expects them") {
    const SignalState before;
    Loop loop;
    const Signals signals(loop, {SIGUSR1}, [](int) {});
    const int blocked = status_of_child([] {
        ::raise(SIGUSR1);
        return 7;
    });
    CHECK(WIFEXITED(blocked));
    for (const int signal : {SIGUSR1, SIGPIPE}) {
        const int status = status_of_child([signal] {
            restore_signals();
            ::raise(signal);
            return 7;
        });
        CHECK(WIFSIGNALED(status));
        CHECK(WTERMSIG(status) == signal);
    }
}
