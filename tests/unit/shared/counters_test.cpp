#include "daemon/shared/counters.hpp"

#include <doctest/doctest.h>

using namespace keysluice;

TEST_CASE("each service has counts of its own") {
    CounterSet counters;
    counters.add({1}, counter::kAccepted);
    counters.add({1}, counter::kAccepted, 2);
    counters.add({2}, counter::kAccepted);
    CHECK(counters.value({1}, counter::kAccepted) == 3);
    CHECK(counters.value({2}, counter::kAccepted) == 1);
    CHECK(counters.value({3}, counter::kAccepted) == 0);
    CHECK(counters.value({1}, counter::kNegotiating) == 0);
}

TEST_CASE("a gauge that went up in one process and down in another sums up modulo 2^64") {
    CounterSet engine;
    CounterSet relay;
    engine.add({1}, counter::kActiveKernel, 3);
    relay.add({1}, counter::kActiveKernel, -2);
    const std::uint64_t sum = engine.value({1}, counter::kActiveKernel) + relay.value({1}, counter::kActiveKernel);
    CHECK(sum == 1);
}

TEST_CASE("the list is in the order of services and names, in as many messages as it takes") {
    CounterSet counters;
    counters.add({2}, "a");
    counters.add({1}, "z", 5);
    counters.add({1}, "b");
    CHECK(counters.answer_to(7) ==
          std::vector<Counters>{{.token = 7, .counts = {{{1}, "b", 1}, {{1}, "z", 5}, {{2}, "a", 1}}}});
    for (int i = 0; i < 2000; ++i) {
        counters.add({3}, "failed:" + std::to_string(i));
    }
    const auto pages = counters.answer_to(8);
    REQUIRE(pages.size() == 3);
    CHECK(pages[0].more);
    CHECK(pages[1].more);
    CHECK_FALSE(pages[2].more);
    CHECK(pages[0].counts.size() + pages[1].counts.size() + pages[2].counts.size() == 2003);
    CHECK(decode(encode(pages[0])));
}

TEST_CASE("what is forgotten of a service is all, and of no other one anything") {
    CounterSet counters;
    counters.add({1}, "a");
    counters.add({2}, "a");
    counters.add({2}, "b");
    counters.forget({2});
    CHECK(counters.answer_to(1).front().counts == std::vector<Count>{{{1}, "a", 1}});
    CHECK(CounterSet().answer_to(1).size() == 1);
}
