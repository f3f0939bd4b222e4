#include "daemon/shared/limiter.hpp"

#include <doctest/doctest.h>

#include "daemon/shared/system_random.hpp"

using namespace keysluice;

namespace {

constexpr ServiceId kShop{7};

struct Process {
    void use(const LimitMemory& memory) { REQUIRE(limiter.use(duplicate_fd(memory.file()))); }
    /// The reason why it is refused, or nothing.
    std::string_view arrive(const Limits& limits, std::uint64_t origin, CountedConnection& connection) {
        auto admitted = limiter.admit(kShop, limits);
        if (!admitted) {
            return admitted.error().reason;
        }
        connection = std::move(*admitted);
        const auto client = limiter.admit_client(connection, kShop, limits, origin);
        return client ? std::string_view() : client.error().reason;
    }

    CounterSet counters;
    Limiter limiter{counters};
};

LimitMemory create() {
    SystemRandom random;
    return LimitMemory::create(random).value();
}

}  // namespace

TEST_CASE("without the memory there is no limit") {
    Process engine;
    CountedConnection one;
    CHECK(engine.arrive({.connections = 1, .handshakes_per_second = 1}, 5, one).empty());
    CountedConnection two;
    CHECK(engine.arrive({.connections = 1, .handshakes_per_second = 1}, 5, two).empty());
    CHECK_FALSE(engine.limiter.use(UniqueFd()));
}

TEST_CASE("a service's connections are limited over all processes, and each end makes room") {
    const LimitMemory memory = create();
    Process engine;
    Process relay;
    engine.use(memory);
    relay.use(memory);
    const Limits limits{.connections = 2};
    CountedConnection one;
    CountedConnection two;
    CountedConnection three;
    CHECK(engine.arrive(limits, 5, one).empty());
    two = relay.limiter.count(kShop, limits, 5);
    CHECK(engine.arrive(limits, 6, three) == "connection-limit");
    two = {};
    CHECK(engine.arrive(limits, 6, three).empty());
    one = std::move(three);  // the first one ends, the third goes on
    CHECK(memory.connections({.service = kShop}) == 1);
}

TEST_CASE("who is refused for its address is counted nowhere") {
    const LimitMemory memory = create();
    Process engine;
    engine.use(memory);
    const Limits limits{.connections = 10, .connections_per_address = 1};
    CountedConnection one;
    CHECK(engine.arrive(limits, 5, one).empty());
    {
        CountedConnection two;
        CHECK(engine.arrive(limits, 5, two) == "address-connection-limit");
    }
    CHECK(memory.connections({.service = kShop}) == 1);
    CHECK(memory.connections({.service = kShop, .origin = 5}) == 1);
    CountedConnection other;
    CHECK(engine.arrive(limits, 6, other).empty());
    CountedConnection local;
    CHECK(engine.arrive(limits, 0, local).empty());
    CountedConnection local_too;
    CHECK(engine.arrive(limits, 0, local_too).empty());
}

TEST_CASE("a client that is too fast does not use up the service's rate") {
    const LimitMemory memory = create();
    Process engine;
    engine.use(memory);
    const Limits limits{.handshakes_per_second = 2, .handshakes_per_second_per_address = 1};
    CountedConnection connection;
    CHECK(engine.arrive(limits, 5, connection).empty());
    for (int i = 0; i < 5; ++i) {
        CHECK(engine.arrive(limits, 5, connection) == "address-handshake-rate-limit");
    }
    CHECK(engine.arrive(limits, 6, connection).empty());
    CHECK(engine.arrive(limits, 8, connection) == "handshake-rate-limit");
}

TEST_CASE("what was counted in a memory that was replaced is not taken off the new one") {
    const LimitMemory before = create();
    const LimitMemory after = create();
    Process engine;
    engine.use(before);
    const Limits limits{.connections = 2};
    CountedConnection one;
    CHECK(engine.arrive(limits, 5, one).empty());
    engine.use(after);
    CHECK(after.connections({.service = kShop}) == 0);
    one = engine.limiter.count(kShop, limits, 5);
    CHECK(before.connections({.service = kShop}) == 0);
    CHECK(after.connections({.service = kShop}) == 1);
    one = {};
    CHECK(after.connections({.service = kShop}) == 0);
}

TEST_CASE("a connection that the memory has no cell for passes, and a counter says so") {
    LimitMemory memory = create();
    for (std::uint64_t origin = 1; origin < 4 * LimitMemory::kCells; ++origin) {
        static_cast<void>(memory.begin({.service = {8}, .origin = origin}, 0, Instant{}));
    }
    Process engine;
    engine.use(memory);
    CountedConnection connection;
    CHECK(engine.arrive({.connections_per_address = 1}, 5, connection).empty());
    CHECK(engine.counters.value(kShop, "uncounted") == 1);
}
