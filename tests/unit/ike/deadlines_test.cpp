#include "ike/deadlines.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "ike/sa.hpp"
#include "tests/support/ike_end.hpp"

using namespace keysluice;
using namespace keysluice::ike;

namespace {

Instant at(std::int64_t nanoseconds) {
    return Instant(Duration(nanoseconds));
}

}  // namespace

TEST_CASE("deadlines come in their order") {
    Deadlines deadlines;
    std::vector<Sa> sas(5);
    CHECK(deadlines.next() == Instant::max());
    for (const std::size_t each : {3U, 0U, 4U, 1U, 2U}) {
        deadlines.set(sas[each], at(static_cast<std::int64_t>(each) * 10));
    }
    CHECK(deadlines.next() == at(0));
    CHECK(deadlines.take_due(at(10)) == &sas[0]);
    CHECK(deadlines.take_due(at(10)) == &sas[1]);
    CHECK(deadlines.take_due(at(10)) == nullptr);
    CHECK(deadlines.next() == at(20));
}

TEST_CASE("an earlier deadline moves an SA, a later one leaves it to come early, and never takes it out") {
    Deadlines deadlines;
    Sa first;
    Sa second;
    deadlines.set(first, at(10));
    deadlines.set(second, at(20));
    deadlines.set(second, at(5));
    CHECK(deadlines.take_due(at(5)) == &second);
    deadlines.set(first, at(30));
    CHECK(deadlines.next() == at(10));
    deadlines.set(first, Instant::max());
    CHECK(deadlines.next() == Instant::max());
}

TEST_CASE("many deadlines, set, moved and removed at random, come in their order") {
    Deadlines deadlines;
    testing::SeededRandom random(1);
    std::vector<Sa> sas(500);
    for (int round = 0; round < 5000; ++round) {
        Sa& sa = sas[random.number<std::uint16_t>() % sas.size()];
        if (random.number<std::uint8_t>() < 40) {
            deadlines.remove(sa);
        } else {
            deadlines.set(sa, at(random.number<std::uint16_t>()));
        }
    }
    std::size_t listed = 0;
    for (const Sa& sa : sas) {
        listed += sa.deadline_slot != Sa::kNoSlot ? 1 : 0;
    }
    Instant before{};
    while (deadlines.next() != Instant::max()) {
        const Instant next = deadlines.next();
        CHECK(next >= before);
        before = next;
        CHECK(deadlines.take_due(next) != nullptr);
        --listed;
    }
    CHECK(listed == 0);
}
