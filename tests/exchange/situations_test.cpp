#include "tests/exchange/situations.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "ike/transitions.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using namespace keysluice::ike::testing;

TEST_CASE("there is a situation for every state that an IKE SA can be in") {
    const auto all = all_situations();
    for (std::size_t state = 0; state < kStateNames.size(); ++state) {
        CAPTURE(kStateNames.at(state));
        CHECK(std::ranges::count(all, static_cast<State>(state), &Situation::state) > 0);
    }
}
