#include "daemon/engine/ticket_memory.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "daemon/shared/system_random.hpp"

using namespace keysluice;
using namespace std::chrono_literals;

namespace {

constexpr Instant kStart{70'000s};

/// keysluiced's memory, and engines that have it too.
struct Fixture {
    TicketMemory control;
    SystemRandom random;

    Fixture() { REQUIRE(control.create()); }
    void share_with(TicketMemory& engine) const { REQUIRE(engine.use(duplicate_fd(control.file()))); }
};

bool same(const tls::TicketKey& one, const tls::TicketKey& other) {
    return one.name == other.name && std::ranges::equal(one.encryption.expose(), other.encryption.expose()) &&
           std::ranges::equal(one.authentication.expose(), other.authentication.expose());
}

}  // namespace

TEST_CASE("without memory, and before the first key, nothing is sealed, opened or counted") {
    TicketMemory memory;
    CHECK(!memory.sealing_key());
    CHECK(!memory.rotated());
    CHECK(memory.begin_count(1, kStart + 5s, kStart) == tls::UseCount{});
    CHECK(!memory.count({.place = 0, .id = 1}));
    REQUIRE(memory.create());
    CHECK(!memory.sealing_key());
    CHECK(!memory.key_named(std::array<std::uint8_t, 16>{}));
    CHECK(!memory.rotated());
    CHECK(!memory.count({}));
    CHECK(!memory.count({.place = TicketMemory::kPlaces, .id = 1}));
}

TEST_CASE("all engines have the same keys: the newest seals, and two before it open") {
    Fixture fixture;
    TicketMemory one;
    TicketMemory late;
    fixture.share_with(one);
    std::vector<tls::TicketKey> made;
    for (int number = 0; number < 9; ++number) {
        fixture.control.rotate(fixture.random, kStart + number * 5s);
        CHECK(fixture.control.rotated() == kStart + number * 5s);
        made.push_back(one.sealing_key().value());
        for (std::size_t i = 0; i < made.size(); ++i) {
            const auto found = one.key_named(made[i].name);
            CHECK(found.has_value() == (i + 3 >= made.size()));
            CHECK((!found || same(*found, made[i])));
        }
    }
    CHECK(!same(made[7], made[8]));
    fixture.share_with(late);
    CHECK(same(late.sealing_key().value(), made.back()));
    CHECK(same(late.key_named(made[6].name).value(), made[6]));
}

TEST_CASE("what comes after a rotation finds nothing of a key that opens no more") {
    Fixture fixture;
    fixture.control.rotate(fixture.random, kStart);
    const auto first = fixture.control.sealing_key().value();
    const auto memory = SealedMemory::open(duplicate_fd(fixture.control.file())).value();
    const auto bytes = memory.as<std::uint8_t>();
    const auto stands = [&] { return !std::ranges::search(bytes, first.encryption.expose()).empty(); };
    fixture.control.rotate(fixture.random, kStart + 1s);
    fixture.control.rotate(fixture.random, kStart + 2s);
    CHECK(stands());
    fixture.control.rotate(fixture.random, kStart + 3s);
    CHECK(!stands());
}

TEST_CASE("uses are counted once for all engines, also when they come at the same moment") {
    Fixture fixture;
    constexpr std::uint32_t kMost = 400'000;
    TicketMemory one;
    fixture.share_with(one);
    const tls::UseCount of = one.begin_count(kMost, kStart + 5s, kStart);
    REQUIRE(of.id != 0);
    std::atomic<std::uint32_t> granted = 0;
    {
        std::vector<std::jthread> engines;
        for (int i = 0; i < 4; ++i) {
            engines.emplace_back([&] {
                TicketMemory mine;
                static_cast<void>(mine.use(duplicate_fd(fixture.control.file())));
                for (std::uint32_t k = 0; k < kMost / 2; ++k) {
                    granted += mine.count(of) ? 1U : 0U;
                }
            });
        }
    }
    CHECK(granted == kMost);
    CHECK(!one.count(of));
}

TEST_CASE("a place is another session's when its own is over, and not before") {
    Fixture fixture;
    TicketMemory& memory = fixture.control;
    std::vector<tls::UseCount> counts;
    for (std::size_t i = 0; i < TicketMemory::kPlaces; ++i) {
        counts.push_back(memory.begin_count(2, kStart + 5500ms, kStart));
    }
    CHECK(std::ranges::none_of(counts, [](const tls::UseCount& of) { return of.id == 0; }));
    CHECK(memory.begin_count(2, kStart + 9s, kStart + 5s) == tls::UseCount{});
    CHECK(memory.count(counts[1]));
    std::vector<tls::UseCount> later;
    for (int i = 0; i < 100; ++i) {
        later.push_back(memory.begin_count(2, kStart + 11s, kStart + 6s));
        CHECK(later.back().id != 0);
    }
    for (const tls::UseCount& of : later) {
        CHECK(!memory.count({.place = of.place, .id = of.id - TicketMemory::kPlaces - 1}));
        CHECK(memory.count(of));
        CHECK(memory.count(of));
        CHECK(!memory.count(of));
    }
}

TEST_CASE("a file of another size is refused, and so is one that is not sealed") {
    TicketMemory memory;
    const auto small = SealedMemory::create("small", 4096).value();
    CHECK(memory.use(duplicate_fd(small.file())).error().reason == "memory-file-failed");
    CHECK(memory.use(UniqueFd()).error().reason == "memory-file-failed");
    CHECK(!memory.sealing_key());
}
