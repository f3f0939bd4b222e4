#include "daemon/shared/limit_memory.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "daemon/shared/system_random.hpp"

using namespace keysluice;
using Outcome = LimitMemory::Outcome;
using std::chrono::milliseconds;

namespace {

constexpr Instant kNow{std::chrono::hours(1)};
constexpr LimitMemory::Key kShop{.service = {7}};
constexpr LimitMemory::Key kClient{.service = {7}, .origin = 42};

LimitMemory create() {
    SystemRandom random;
    return LimitMemory::create(random).value();
}

LimitMemory another(const LimitMemory& memory) {
    return LimitMemory::open(duplicate_fd(memory.file())).value();
}

}  // namespace

TEST_CASE("what one process counts, all of them count") {
    LimitMemory engine = create();
    LimitMemory relay = another(engine);
    const auto first = engine.begin(kShop, 2, kNow);
    CHECK(first.outcome == Outcome::counted);
    CHECK(relay.begin(kShop, 2, kNow).outcome == Outcome::counted);
    CHECK(engine.begin(kShop, 2, kNow).outcome == Outcome::over_limit);
    CHECK(relay.begin(kShop, 0, kNow).outcome == Outcome::counted);  // whatever there is
    CHECK(engine.connections(kShop) == 3);
    relay.end(first.cell);
    relay.end(first.cell);
    CHECK(engine.begin(kShop, 2, kNow).outcome == Outcome::counted);
}

TEST_CASE("a service, another one and each client have cells of their own") {
    LimitMemory memory = create();
    CHECK(memory.begin(kShop, 1, kNow).outcome == Outcome::counted);
    CHECK(memory.begin(kClient, 1, kNow).outcome == Outcome::counted);
    CHECK(memory.begin({.service = {8}, .origin = 42}, 1, kNow).outcome == Outcome::counted);
    CHECK(memory.begin({.service = {7}, .origin = 43}, 1, kNow).outcome == Outcome::counted);
    CHECK(memory.begin(kClient, 1, kNow).outcome == Outcome::over_limit);
}

TEST_CASE("a count never becomes less than none, and a cell that isn't there counts nothing") {
    LimitMemory memory = create();
    const auto one = memory.begin(kShop, 1, kNow);
    memory.end(one.cell);
    memory.end(one.cell);
    memory.end(LimitMemory::kCells);
    CHECK(memory.connections(kShop) == 0);
    CHECK(memory.begin(kShop, 1, kNow).outcome == Outcome::counted);
    CHECK(memory.begin(kShop, 1, kNow).outcome == Outcome::over_limit);
}

TEST_CASE("a rate has a burst of one second's worth, and then goes by the clock") {
    LimitMemory memory = create();
    for (int i = 0; i < 10; ++i) {
        CHECK(memory.pass(kShop, 10, kNow) == Outcome::counted);
    }
    CHECK(memory.pass(kShop, 10, kNow) == Outcome::over_limit);
    CHECK(memory.pass(kShop, 10, kNow + milliseconds(99)) == Outcome::over_limit);
    CHECK(memory.pass(kShop, 10, kNow + milliseconds(100)) == Outcome::counted);
    CHECK(memory.pass(kShop, 10, kNow + milliseconds(100)) == Outcome::over_limit);
    CHECK(memory.pass(kClient, 10, kNow) == Outcome::counted);
    for (int i = 0; i < 10; ++i) {
        CHECK(memory.pass(kShop, 10, kNow + milliseconds(2000)) == Outcome::counted);
    }
    CHECK(memory.pass(kShop, 10, kNow + milliseconds(2000)) == Outcome::over_limit);
}

TEST_CASE("one a second is one a second") {
    LimitMemory memory = create();
    CHECK(memory.pass(kShop, 1, kNow) == Outcome::counted);
    CHECK(memory.pass(kShop, 1, kNow + milliseconds(999)) == Outcome::over_limit);
    CHECK(memory.pass(kShop, 1, kNow + milliseconds(1000)) == Outcome::counted);
}

TEST_CASE("a memory that is full lets pass what it can't count, and takes new keys where old ones are at rest") {
    LimitMemory memory = create();
    std::vector<LimitMemory::Cell> cells;
    bool full = false;
    for (std::uint64_t origin = 1; origin < 2 * LimitMemory::kCells; ++origin) {
        const auto counted = memory.begin({.service = {7}, .origin = origin}, 1, kNow);
        REQUIRE(counted.outcome != Outcome::over_limit);
        if (counted.outcome == Outcome::counted) {
            cells.push_back(counted.cell);
        } else {
            full = true;
        }
    }
    CHECK(full);
    CHECK(memory.begin({.service = {9}}, 1, kNow).outcome == Outcome::counted);  // no client takes a service's cell
    CHECK(cells.size() > LimitMemory::kCells / 2);
    CHECK(cells.size() <= LimitMemory::kCells);
    for (const LimitMemory::Cell cell : cells) {
        memory.end(cell);
    }
    std::size_t counted = 0;
    for (std::uint64_t origin = 1; origin < 1000; ++origin) {
        const LimitMemory::Key stranger{.service = {8}, .origin = origin};
        counted += memory.begin(stranger, 1, kNow).outcome == Outcome::counted ? 1U : 0U;
    }
    CHECK(counted == 999);
}

TEST_CASE("a cell whose rate is not at rest is nobody else's") {
    LimitMemory memory = create();
    for (std::uint64_t origin = 1; origin < 2 * LimitMemory::kCells; ++origin) {
        static_cast<void>(memory.pass({.service = {7}, .origin = origin}, 1, kNow));
    }
    std::size_t without = 0;
    std::size_t later = 0;
    for (std::uint64_t origin = 1; origin < 1000; ++origin) {
        const LimitMemory::Key stranger{.service = {8}, .origin = origin};
        without += memory.pass(stranger, 1, kNow) == Outcome::no_cell ? 1U : 0U;
        later += memory.pass(stranger, 1, kNow + milliseconds(1000)) == Outcome::no_cell ? 1U : 0U;
    }
    CHECK(without > 900);
    CHECK(later == 0);
}

TEST_CASE("processes that count at the same time lose nothing and exceed nothing") {
    LimitMemory memory = create();
    REQUIRE(memory.begin(kClient, 0, kNow).outcome == Outcome::counted);  // the cell is there
    constexpr std::uint32_t kMost = 100;
    std::atomic<bool> exceeded = false;
    std::vector<std::thread> processes;
    for (int process = 0; process < 4; ++process) {
        processes.emplace_back([&] {
            LimitMemory own = another(memory);
            for (int round = 0; round < 20'000; ++round) {
                const auto counted = own.begin(kClient, kMost, kNow);
                exceeded = exceeded || own.connections(kClient) > kMost;
                if (counted.outcome == Outcome::counted) {
                    own.end(counted.cell);
                }
            }
        });
    }
    for (std::thread& process : processes) {
        process.join();
    }
    CHECK_FALSE(exceeded);
    CHECK(memory.connections(kClient) == 1);
}

TEST_CASE("a file that is no memory of limits is refused") {
    const auto other = SealedMemory::create("other", 4096);
    CHECK(LimitMemory::open(duplicate_fd(other->file())).error().reason == "memory-file-failed");
    CHECK(LimitMemory::open(UniqueFd()).error().reason == "memory-file-failed");
}
