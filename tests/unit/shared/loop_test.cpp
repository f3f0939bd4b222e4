#include "daemon/shared/loop.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::test;
using namespace std::chrono_literals;

namespace {

struct Seen final : Watcher {
    explicit Seen(std::function<void()> what = [] {}) : then(std::move(what)) {}
    void on_events(std::uint32_t events) override {
        ++count;
        last = events;
        then();
    }
    std::function<void()> then;
    int count = 0;
    std::uint32_t last = 0;
};

struct Alarm final : Deadline {
    explicit Alarm(std::function<void()> what) : then(std::move(what)) {}
    void on_deadline() override { then(); }
    std::function<void()> then;
};

/// A socket with something to read.
struct Ready {
    Ready() : ends(stream_pair()) { REQUIRE(::write(ends.second.get(), "x", 1) == 1); }
    [[nodiscard]] int fd() const { return ends.first.get(); }
    FdPair ends;
};

}  // namespace

TEST_CASE("a watcher hears of the events it asked for") {
    Loop loop;
    const Ready socket;
    Seen seen;
    loop.add(socket.fd(), EPOLLIN, seen);
    loop.turn(0ms);
    CHECK(seen.last == EPOLLIN);
    loop.modify(socket.fd(), EPOLLOUT, seen);
    loop.turn(0ms);
    CHECK(seen.last == EPOLLOUT);
    loop.remove(socket.fd(), seen);
    loop.turn(0ms);
    CHECK(seen.count == 2);
}

TEST_CASE("events of a watcher that was removed in the same round are dropped") {
    Loop loop;
    const Ready first;
    const Ready second;
    // Whichever is called first removes the other one, which the kernel has reported as well.
    auto one = std::make_unique<Seen>();
    auto other = std::make_unique<Seen>();
    one->then = [&] {
        loop.remove(second.fd(), *other);
        other.reset();
    };
    other->then = [&] {
        loop.remove(first.fd(), *one);
        one.reset();
    };
    loop.add(first.fd(), EPOLLIN, *one);
    loop.add(second.fd(), EPOLLIN, *other);
    loop.turn(0ms);
    CHECK((one == nullptr) != (other == nullptr));
    CHECK((one ? one : other)->count == 1);
}

TEST_CASE("events of a forgotten watcher are dropped too") {
    Loop loop;
    Ready first;
    Ready second;
    Seen one;
    Seen other;
    one.then = [&] {
        loop.forget(other);
        second.ends.first.reset();
    };
    other.then = [&] {
        loop.forget(one);
        first.ends.first.reset();
    };
    loop.add(first.fd(), EPOLLIN, one);
    loop.add(second.fd(), EPOLLIN, other);
    loop.turn(0ms);
    loop.turn(0ms);
    CHECK((one.count == 0) != (other.count == 0));
}

TEST_CASE("what is buried lives until the end of the round") {
    Loop loop;
    const Ready socket;
    auto body = std::make_shared<int>(1);
    const std::weak_ptr<int> watched = body;
    bool alive_in_handler = false;
    Seen seen([&] {
        loop.bury(std::move(body));
        alive_in_handler = !watched.expired();
    });
    loop.add(socket.fd(), EPOLLIN, seen);
    loop.turn(0ms);
    CHECK(alive_in_handler);
    CHECK(watched.expired());
}

TEST_CASE("a watcher may bury itself") {
    Loop loop;
    const Ready socket;
    auto self = std::make_unique<Seen>();
    Seen& seen = *self;
    seen.then = [&] {
        loop.remove(socket.fd(), seen);
        loop.bury(std::move(self));
    };
    loop.add(socket.fd(), EPOLLIN, seen);
    loop.turn(0ms);
    CHECK_FALSE(self);
}

TEST_CASE("deferred tasks run once, after the events; what they defer runs in the next round") {
    Loop loop;
    const Ready socket;
    std::string order;
    Seen seen([&] { order += "event "; });
    loop.add(socket.fd(), EPOLLIN, seen);
    loop.defer([&] {
        order += "task ";
        loop.defer([&] { order += "second "; });
    });
    // A round with something to do does not wait, however long it may.
    loop.turn(1h);
    CHECK(order == "event task ");
    loop.turn(1h);
    CHECK(order == "event task event second ");
}

TEST_CASE("deadlines fire in their order, once, and not before their time") {
    Loop loop;
    std::string order;
    Alarm late([&] { order += "late "; });
    Alarm early([&] { order += "early "; });
    Alarm never([&] { order += "never "; });
    const Instant start = now();
    loop.arm(late, start - 1ms);
    loop.arm(early, start - 2ms);
    loop.arm(never, start + 1h);
    loop.turn(0ms);
    loop.turn(0ms);
    CHECK(order == "early late ");
    loop.disarm(never);
}

TEST_CASE("two deadlines at the same time both fire") {
    Loop loop;
    int fired = 0;
    Alarm one([&] { ++fired; });
    Alarm other([&] { ++fired; });
    const Instant at = now();
    loop.arm(one, at);
    loop.arm(other, at);
    loop.turn(0ms);
    CHECK(fired == 2);
}

TEST_CASE("a deadline can be moved, and taken back from inside another one") {
    Loop loop;
    std::string order;
    Alarm moved([&] { order += "moved "; });
    Alarm taken_back([&] { order += "taken back "; });
    Alarm other([&] {
        order += "other ";
        loop.disarm(taken_back);
    });
    const Instant past = now() - 1s;
    loop.arm(moved, past);
    loop.arm(moved, now() + 1h);
    loop.arm(other, past);
    loop.arm(taken_back, past + 1ms);
    loop.turn(0ms);
    CHECK(order == "other ");
    loop.arm(moved, past);
    loop.turn(0ms);
    CHECK(order == "other moved ");
}

TEST_CASE("the loop wakes for a deadline, and never before it") {
    Loop loop;
    const Instant at = now() + 3ms;
    Instant fired{};
    Alarm alarm([&] { fired = now(); });
    loop.arm(alarm, at);
    turn_until(loop, [&] { return fired != Instant{}; });
    CHECK(fired >= at);
}

TEST_CASE("run goes on until it is stopped") {
    Loop loop;
    int rounds = 0;
    std::function<void()> again = [&] {
        if (++rounds == 3) {
            loop.stop();
        }
        loop.defer(again);
    };
    loop.defer(again);
    loop.run();
    CHECK(rounds == 3);
}

TEST_CASE("the loop keeps its longest round until it is asked for it, without the waiting") {
    Loop loop;
    loop.turn(300ms);
    CHECK(loop.take_longest_round() < 300ms);
    loop.defer([] { std::this_thread::sleep_for(20ms); });
    loop.turn(0ms);
    loop.turn(0ms);
    CHECK(loop.take_longest_round() >= 20ms);
    CHECK(loop.take_longest_round() == 0ms);
}
