#include "netlink/addresses.hpp"

#include <doctest/doctest.h>
#include <linux/rtnetlink.h>
#include <poll.h>

#include "tests/support/network_namespace.hpp"

using namespace keysluice;
using namespace keysluice::netlink;

TEST_SUITE_BEGIN("addresses");

TEST_CASE("which messages are about addresses") {
    CHECK(*decode_address(RTM_NEWADDR, {}) == AddressChange{});
    CHECK(*decode_address(RTM_DELADDR, {}) == AddressChange{});
    CHECK_FALSE(*decode_address(RTM_NEWLINK, {}));
}

TEST_CASE("an address comes and goes") {
    const test::NetworkNamespace there;
    auto events = there.run([] { return AddressEvents::open(); });
    REQUIRE_MESSAGE(events, (events ? "" : events.error().sentence));
    there.shell("ip link add one type veth peer name other && ip address add 10.0.0.1/24 dev one");
    pollfd waiting{.fd = events->fd(), .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&waiting, 1, 10'000) == 1);
    const auto come = events->next();
    REQUIRE(come);
    CHECK(*come == AddressChange{});
    while (events->next().value()) {
    }
    there.shell("ip address delete 10.0.0.1/24 dev one");
    REQUIRE(::poll(&waiting, 1, 10'000) == 1);
    CHECK(events->next().value() == AddressChange{});
}

TEST_SUITE_END();
