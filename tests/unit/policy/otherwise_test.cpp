#include <doctest/doctest.h>

#include <string>

#include "policy/policy.hpp"

using namespace keysluice;
using namespace keysluice::policy;

namespace {

/// One letter for each of in IPv4, in IPv6, out IPv4, out IPv6.
std::string shown(Otherwise otherwise) {
    std::string letters;
    for (const Policy& each : policies_for(otherwise)) {
        letters += each.disposition == Disposition::discard ? 'd' : 'b';
    }
    return letters;
}

}  // namespace

TEST_SUITE_BEGIN("what becomes of packets that no policy fits");

TEST_CASE("as the table says") {
    CHECK(shown(Otherwise::ipv6_only) == "bdbd");
    CHECK(shown(Otherwise::bypass) == "bbbb");
    CHECK(shown(Otherwise::deny) == "ddbb");
    CHECK(shown(Otherwise::deny_all) == "dddd");
}

TEST_CASE("each family and direction has one, and they stand behind all others") {
    const auto all = policies_for(Otherwise::bypass);
    REQUIRE(all.size() == 4);
    CHECK(all[0].direction == Direction::in);
    CHECK(all[0].remote.front().first.family() == Family::ipv4);
    CHECK(all[3].direction == Direction::out);
    CHECK(all[3].remote.front().last == IpAddress::highest(Family::ipv6));
    CHECK(all[3].priority == 0xffff'ffff);
}

TEST_SUITE_END();
