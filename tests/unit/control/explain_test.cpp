#include "daemon/control/explain.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/reasons.hpp"

using namespace keysluice;
using namespace keysluice::control;

TEST_SUITE("explain") {
    TEST_CASE("one code, or all of them") {
        const auto one = explain("no-route");
        REQUIRE(one);
        CHECK(one->starts_with("no-route (IKE): There is no way to the peer"));
        CHECK(one->ends_with(".\n"));
        const auto all = explain("");
        REQUIRE(all);
        CHECK(all->contains(*one));
        CHECK(std::ranges::count(*all, '\n') == static_cast<std::ptrdiff_t>(all_reasons().size()));
    }

    TEST_CASE("a code that does not exist, with the one that was meant") {
        const auto near = explain("no-rout");
        REQUIRE_FALSE(near);
        CHECK(near.error().reason == "bad-argument");
        CHECK(near.error().sentence == "\"no-rout\" is no reason code; did you mean \"no-route\"?");
        const auto far = explain("gibberish");
        REQUIRE_FALSE(far);
        CHECK(far.error().sentence == "\"gibberish\" is no reason code");
    }
}
