#include "daemon/control/state_key.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/shared/system_random.hpp"

using namespace keysluice;
using namespace keysluice::control;

TEST_CASE("the key of the state file is where the next process looks, until it is destroyed") {
    SystemRandom random;
    const StateKey place("/test/" + std::to_string(getpid()));
    CHECK(place.find().error().reason == "state-key-missing");
    const auto made = place.create(random);
    if (!made) {
        CHECK(made.error().reason == "keyring-unavailable");
        MESSAGE("skipped: " << made.error().sentence);
        return;
    }
    const auto found = place.find();
    REQUIRE(found);
    CHECK(std::ranges::equal(found->expose(), made->expose()));
    CHECK_FALSE(StateKey("/elsewhere").find());
    const auto second = place.create(random);
    REQUIRE(second);
    CHECK_FALSE(std::ranges::equal(second->expose(), made->expose()));
    CHECK(std::ranges::equal(place.find().value().expose(), second->expose()));
    place.destroy();
    CHECK_FALSE(place.find());
}
