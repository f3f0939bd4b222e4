#include "daemon/engine/acceptor.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <memory>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::test;
using namespace std::chrono_literals;

namespace {

/// A unix socket on which several processes listen.
struct Door {
    Door() : address(to_socket_address(UnixEndpoint{folder / "door"}).value()) {
        socket.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        REQUIRE(::bind(socket.get(), address.get(), address.length) == 0);
        REQUIRE(::listen(socket.get(), 4096) == 0);
    }
    /// A client comes, stays in the queue, and may be gone before anybody opens.
    void knock() const {
        const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        REQUIRE(::connect(client.get(), address.get(), address.length) == 0);
    }
    [[nodiscard]] UniqueFd duplicate() const { return UniqueFd(::dup(socket.get())); }

    RuntimeFolder folder;
    SocketAddress address;
    UniqueFd socket;
};

/// An engine with its own loop.
struct FakeEngine final : Acceptor::Owner {
    explicit FakeEngine(const Door& door, std::shared_ptr<AcceptBalance> balance = nullptr)
        : acceptor(loop, *this, door.duplicate(), std::move(balance)) {}

    [[nodiscard]] bool has_room() override { return room; }
    void on_accepted(Acceptor& /*acceptor*/, Accepted one) override {
        CHECK(one.socket);
        CHECK((fcntl(one.socket.get(), F_GETFL) & O_NONBLOCK) != 0);
        ++accepted;
    }
    void on_exhausted(Acceptor& /*acceptor*/, int error) override { exhausted = error; }

    Loop loop;
    bool room = true;
    int exhausted = 0;
    int accepted = 0;
    Acceptor acceptor;
};

/// Engines that share one door, and their counts.
struct House {
    explicit House(std::uint16_t count) : file(AcceptBalance::create(count).value()) {
        for (std::uint16_t i = 0; i < count; ++i) {
            engines.emplace_back(
                door, std::make_shared<AcceptBalance>(AcceptBalance::open(UniqueFd(::dup(file.get())), i).value()));
        }
    }
    [[nodiscard]] int accepted() const {
        int all = 0;
        for (const FakeEngine& engine : engines) {
            all += engine.accepted;
        }
        return all;
    }
    Door door;
    UniqueFd file;
    std::deque<FakeEngine> engines;
};

}  // namespace

TEST_CASE("what waits in the queue is accepted, so many in a round") {
    const Door door;
    FakeEngine engine(door);
    for (int i = 0; i < Acceptor::kBurst + 1; ++i) {
        door.knock();
    }
    engine.loop.turn(0ms);
    CHECK(engine.accepted == Acceptor::kBurst);
    engine.loop.turn(0ms);
    CHECK(engine.accepted == Acceptor::kBurst + 1);
}

TEST_CASE("without room the clients wait, and are served when there is some") {
    const Door door;
    FakeEngine engine(door);
    engine.room = false;
    door.knock();
    const Instant start = now();
    engine.loop.turn(0ms);
    engine.room = true;
    turn_until(engine.loop, [&] { return engine.accepted == 1; });
    CHECK(now() - start >= Acceptor::kPause);
}

TEST_CASE("engines that are woken unevenly accept evenly") {
    House house(3);
    for (int client = 0; client < 3000; ++client) {
        house.door.knock();
        // The first engine is always there first, the last one hardly ever.
        house.engines[0].loop.turn(0ms);
        house.engines[0].loop.turn(0ms);
        house.engines[1].loop.turn(0ms);
        if (client % 8 == 0) {
            house.engines[2].loop.turn(0ms);
        }
    }
    turn_until(house.engines[0].loop, [&] {
        house.engines[1].loop.turn(0ms);
        house.engines[2].loop.turn(0ms);
        return house.accepted() == 3000;
    });
    const auto by_count = [](const FakeEngine& one, const FakeEngine& other) {
        return one.accepted < other.accepted;
    };
    const auto [least, most] = std::ranges::minmax_element(house.engines, by_count);
    CHECK(most->accepted <= 1.2 * least->accepted);
}

TEST_CASE("a lone burst is not kept from the only engine that is awake") {
    House house(2);
    FakeEngine& awake = house.engines[0];
    for (int i = 0; i < 100; ++i) {
        house.door.knock();
    }
    turn_until(awake.loop, [&] { return awake.accepted == 100; });
    CHECK(house.engines[1].accepted == 0);
}

TEST_CASE("an engine that is ahead takes one after its pause, and steps back again") {
    House house(2);
    FakeEngine& ahead = house.engines[0];
    constexpr int kFirst = AcceptBalance::kSlack + 1;
    for (int i = 0; i < 100; ++i) {
        house.door.knock();
    }
    ahead.loop.turn(0ms);
    CHECK(ahead.accepted == kFirst);
    turn_until(ahead.loop, [&] { return ahead.accepted > kFirst; });
    CHECK(ahead.accepted == kFirst + 1);
}

TEST_CASE("TCP and lone listeners are not held back") {
    const Door door;
    FakeEngine engine(door);
    const UniqueFd file = AcceptBalance::create(2).value();
    engine.acceptor.share(
        std::make_shared<AcceptBalance>(AcceptBalance::open(UniqueFd(::dup(file.get())), 0).value()));
    for (int i = 0; i < Acceptor::kBurst; ++i) {
        door.knock();
    }
    engine.loop.turn(0ms);
    CHECK(engine.accepted == Acceptor::kBurst);
}

TEST_CASE("new counts replace the old ones") {
    House house(2);
    FakeEngine& engine = house.engines[0];
    constexpr int kNotYetAhead = AcceptBalance::kSlack;
    for (int i = 0; i < kNotYetAhead; ++i) {
        house.door.knock();
    }
    engine.loop.turn(0ms);
    const UniqueFd file = AcceptBalance::create(2).value();
    engine.acceptor.share(
        std::make_shared<AcceptBalance>(AcceptBalance::open(UniqueFd(::dup(file.get())), 0).value()));
    for (int i = 0; i < kNotYetAhead; ++i) {
        house.door.knock();
    }
    engine.loop.turn(0ms);
    CHECK(engine.accepted == 2 * kNotYetAhead);
}

TEST_CASE("an acceptor that is gone leaves its clients to the others") {
    const Door door;
    {
        const FakeEngine gone(door);
    }
    FakeEngine engine(door);
    door.knock();
    engine.loop.turn(0ms);
    CHECK(engine.accepted == 1);
}
