#include "netlink/route.hpp"

#include <doctest/doctest.h>

#include "tests/support/network_namespace.hpp"

using namespace keysluice;
using namespace keysluice::netlink;

TEST_CASE("the device that leads to an address") {
    const test::NetworkNamespace there;
    there.shell("ip link add one type veth peer name other && ip addr add 192.0.2.1/24 dev one");
    there.shell("ip addr add 2001:db8::1/64 dev one nodad && ip link set other up && ip link set one up");
    const Device one = there.run([] {
        auto socket = Socket::open(NETLINK_ROUTE);
        REQUIRE(socket);
        for (const auto& [local, remote] :
             {std::pair("192.0.2.1", "192.0.2.7"), std::pair("2001:db8::1", "2001:db8::7")}) {
            const auto found = device_towards(*socket, *IpAddress::parse(local), *IpAddress::parse(remote));
            REQUIRE_MESSAGE(found, (found ? "" : found.error().sentence));
            CHECK(found->name == "one");
            CHECK(found->index > 1);
        }
        const auto loopback = device_towards(*socket, *IpAddress::parse("127.0.0.1"), *IpAddress::parse("127.0.0.1"));
        REQUIRE(loopback);
        CHECK(*loopback == Device{1, "lo"});
        const auto nowhere =
            device_towards(*socket, *IpAddress::parse("192.0.2.1"), *IpAddress::parse("198.51.100.7"));
        REQUIRE_FALSE(nowhere);
        CHECK(nowhere.error().reason == "no-route");
        CHECK(nowhere.error().sentence.find("the route from 192.0.2.1 to 198.51.100.7") != std::string::npos);
        return *loopback;
    });
    CHECK(one.index == 1);
}
