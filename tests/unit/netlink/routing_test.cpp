#include "netlink/routing.hpp"

#include <doctest/doctest.h>
#include <linux/rtnetlink.h>
#include <poll.h>

#include "tests/support/network_namespace.hpp"

using namespace keysluice;
using namespace keysluice::netlink;

TEST_SUITE_BEGIN("routing");

TEST_CASE("which messages are about the way of packets") {
    for (const std::uint16_t type :
         {RTM_NEWADDR, RTM_DELADDR, RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWRULE, RTM_DELRULE}) {
        CHECK(*decode_routing(type, {}) == RoutingChange{});
    }
    CHECK_FALSE(*decode_routing(RTM_NEWLINK, {}));
}

TEST_CASE("addresses, routes and rules come and go") {
    const test::NetworkNamespace there;
    there.shell("ip link add one type veth peer name other && ip link set one up && ip link set other up");
    auto events = there.run([] { return RoutingEvents::open(); });
    REQUIRE_MESSAGE(events, (events ? "" : events.error().sentence));
    for (const char* command : {"ip address add 10.0.0.1/24 dev one", "ip route add 10.9.0.0/16 via 10.0.0.2",
                                "ip rule add from 10.0.0.1 lookup 17", "ip rule delete from 10.0.0.1 lookup 17",
                                "ip route delete 10.9.0.0/16", "ip address delete 10.0.0.1/24 dev one"}) {
        CAPTURE(command);
        while (events->next().value()) {
        }
        there.shell(command);
        pollfd waiting{.fd = events->fd(), .events = POLLIN, .revents = 0};
        REQUIRE(::poll(&waiting, 1, 10'000) == 1);
        CHECK(events->next().value() == RoutingChange{});
    }
}

TEST_SUITE_END();
