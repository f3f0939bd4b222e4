#include "netlink/socket.hpp"

#include <doctest/doctest.h>
#include <linux/rtnetlink.h>

#include <array>

#include "netlink/attribute.hpp"

using namespace keysluice;

namespace {

/// A request with a header of type Header behind the netlink header.
template <typename Header>
struct Request {
    explicit Request(std::uint16_t type, Header value = {}) : header(value) {
        message.nlmsg_len = sizeof(Request);
        message.nlmsg_type = type;
    }
    nlmsghdr message{};
    Header header;
};

netlink::Socket route_socket() {
    auto socket = netlink::Socket::open(NETLINK_ROUTE);
    REQUIRE(socket);
    return *std::move(socket);
}

}  // namespace

TEST_CASE("a dump shows every answer and ends") {
    netlink::Socket socket = route_socket();
    // Twice: the second dump of one socket has a sequence number of its own.
    for (int round = 0; round < 2; ++round) {
        Request<ifinfomsg> links{RTM_GETLINK};
        int seen = 0;
        bool loopback = false;
        const auto dumped = socket.dump(links.message, "the links", [&](const nlmsghdr& answer) -> Result<void> {
            ++seen;
            const auto* link = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&answer));
            loopback = loopback || link->ifi_index == 1;
            return {};
        });
        CHECK(dumped);
        CHECK(seen >= 1);
        CHECK(loopback);
    }
}

TEST_CASE("the visitor's failure ends a dump, and the next dump does not see its rest") {
    netlink::Socket socket = route_socket();
    Request<ifinfomsg> links{RTM_GETLINK};
    const auto stopped = socket.dump(links.message, "the links",
                                     [](const nlmsghdr&) -> Result<void> { return fail("enough", "seen enough"); });
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().reason == "enough");

    Request<ifaddrmsg> addresses{RTM_GETADDR};
    bool only_addresses = true;
    const auto dumped = socket.dump(addresses.message, "the addresses", [&](const nlmsghdr& answer) -> Result<void> {
        only_addresses = only_addresses && answer.nlmsg_type == RTM_NEWADDR;
        return {};
    });
    CHECK(dumped);
    CHECK(only_addresses);
}

TEST_CASE("a refused dump says in the kernel's own words why") {
    netlink::Socket socket = route_socket();
    // Strict checking: "Invalid values in header for address dump request" (net/ipv4/devinet.c).
    Request<ifaddrmsg> addresses{
        RTM_GETADDR, {.ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_flags = 0, .ifa_scope = 0, .ifa_index = 0}};
    const auto dumped =
        socket.dump(addresses.message, "the addresses", [](const nlmsghdr&) -> Result<void> { return {}; });
    REQUIRE_FALSE(dumped);
    CHECK(dumped.error().reason == "netlink-refused");
    CHECK(dumped.error().sentence.find("the addresses") != std::string::npos);
    CHECK(dumped.error().sentence.find("(\"ipv4: Invalid values in header") != std::string::npos);
}

TEST_CASE("a protocol that does not exist is refused when the socket is opened") {
    const auto socket = netlink::Socket::open(31);
    REQUIRE_FALSE(socket);
    CHECK(socket.error().reason == "netlink-unavailable");
}
