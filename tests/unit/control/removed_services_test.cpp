#include "daemon/control/removed_services.hpp"

#include <doctest/doctest.h>

#include "daemon/shared/counters.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

constexpr ServiceId kGone = service_id("gone");

std::vector<ProcessCounters> counted(ServiceId id, std::string_view name, std::uint64_t value) {
    return {{.process = {}, .answered = true, .counts = {}},
            {.process = {}, .answered = true, .counts = {{id, std::string(name), value}}}};
}

}  // namespace

TEST_SUITE_BEGIN("removed services");

TEST_CASE("they are forgotten once two looks in a row find no connection") {
    RemovedServices removed;
    removed.add({.name = "gone"});
    for (const std::string_view name : {counter::kNegotiating, counter::kActiveKernel, counter::kActiveUserspace}) {
        CHECK(removed.idle(counted(kGone, name, 0), {}).empty());
        CHECK(removed.idle(counted(kGone, name, 1), {}).empty());
    }
    CHECK(removed.any());
    REQUIRE(removed.find(kGone) != nullptr);
    CHECK(removed.find(kGone)->name == "gone");
    CHECK(removed.idle(counted(kGone, counter::kAccepted, 7), {}).empty());
    CHECK(removed.idle({}, {}) == std::vector{kGone});
    CHECK(removed.find(kGone) == nullptr);
    CHECK(removed.idle({}, {}).empty());
    CHECK_FALSE(removed.any());
}

TEST_CASE("what a predecessor has removed is found by what is counted, and what is configured is left alone") {
    RemovedServices removed;
    const ServiceId other{5};
    CHECK(removed.any());
    CHECK(removed.idle(counted(other, counter::kActiveKernel, 1), {kGone}).empty());
    CHECK(removed.any());
    CHECK(removed.idle(counted(other, counter::kAccepted, 1), {kGone}).empty());
    CHECK(removed.idle(counted(other, counter::kAccepted, 1), {kGone}) == std::vector{other});
    CHECK(removed.idle(counted(kGone, counter::kAccepted, 1), {kGone}).empty());
    CHECK(removed.idle(counted(kGone, counter::kAccepted, 1), {kGone}).empty());
}

TEST_CASE("one that is configured again is not removed") {
    RemovedServices removed;
    removed.add({.name = "gone"});
    removed.take_back(kGone);
    CHECK(removed.all().empty());
}

TEST_SUITE_END();
