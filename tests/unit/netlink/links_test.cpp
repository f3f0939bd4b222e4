#include "netlink/links.hpp"

#include <doctest/doctest.h>
#include <poll.h>

#include <vector>

#include "tests/support/network_namespace.hpp"

using namespace keysluice;
using namespace keysluice::netlink;

namespace {

constexpr std::uint16_t kNewLink = 16;
constexpr std::uint16_t kDelLink = 17;

/// ifinfomsg, and IFLA_IFNAME "wire".
std::vector<std::uint8_t> message(std::uint8_t family, std::uint8_t flags) {
    return {family, 0, 1, 0, 7, 0, 0, 0, flags, 0, 0, 0, 0, 0, 0, 0, 9, 0, 3, 0, 'w', 'i', 'r', 'e', 0, 0, 0, 0};
}

const Device kWire{7, "wire"};

}  // namespace

TEST_SUITE_BEGIN("links");

TEST_CASE("what a message says about a device") {
    const auto decoded = [](std::uint16_t type, const std::vector<std::uint8_t>& payload) {
        const auto change = decode_link(type, payload);
        REQUIRE(change);
        return *change;
    };
    CHECK(decoded(kNewLink, message(0, 1)) == LinkChange{.device = kWire, .up = true});
    CHECK(decoded(kNewLink, message(0, 0)) == LinkChange{.device = kWire, .up = false});
    CHECK(decoded(kDelLink, message(0, 1)) == LinkChange{.device = kWire, .up = false});
    CHECK_FALSE(decoded(kDelLink, message(7, 1)));  // AF_BRIDGE
    CHECK_FALSE(decoded(20, message(0, 1)));        // RTM_NEWADDR
}

TEST_CASE("a message that is cut short") {
    const std::vector<std::uint8_t> whole = message(0, 1);
    for (std::size_t size = 0; size < 16; ++size) {
        const auto change = decode_link(kNewLink, Bytes{whole}.first(size));
        REQUIRE_FALSE(change);
        CHECK(change.error().reason == "netlink-malformed");
    }
    const auto nameless = decode_link(kNewLink, Bytes{whole}.first(16));
    REQUIRE(nameless);
    CHECK(**nameless == LinkChange{.device = Device{7, ""}, .up = true});
}

TEST_CASE("a device comes, goes up, down and away") {
    const test::NetworkNamespace there;
    auto events = there.run([] { return LinkEvents::open(); });
    REQUIRE_MESSAGE(events, (events ? "" : events.error().sentence));
    there.shell(
        "ip link add one type veth peer name other && ip link set one up && ip link set one down && ip link del one");
    std::vector<bool> states;
    while (const auto change = *events->next()) {
        REQUIRE(change->device);
        const bool one = change->device->name == "one" && change->device->index > 1;
        if (one && (states.empty() || states.back() != change->up)) {
            states.push_back(change->up);
        }
    }
    CHECK(states == std::vector<bool>{false, true, false});
}

TEST_SUITE_END();
