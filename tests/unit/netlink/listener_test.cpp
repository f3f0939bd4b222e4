#include "netlink/listener.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "tests/support/network_namespace.hpp"

using namespace keysluice;
using namespace keysluice::test;
using netlink::Listener;

namespace {

constexpr std::array<int, 1> kLinks{RTNLGRP_LINK};

Listener listener_in(const NetworkNamespace& there, int receive_buffer) {
    auto listener = there.run([&] { return Listener::open(NETLINK_ROUTE, kLinks, receive_buffer); });
    REQUIRE_MESSAGE(listener, (listener ? "" : listener.error().sentence));
    return *std::move(listener);
}

/// The types of what one read brings.
std::vector<int> types(Listener& listener, Listener::Received expected) {
    std::vector<int> seen;
    const auto received = listener.receive([&](const nlmsghdr& message) { seen.push_back(message.nlmsg_type); });
    REQUIRE(received);
    CHECK(*received == expected);
    return seen;
}

}  // namespace

TEST_CASE("a listener hears its groups, and does not wait") {
    const NetworkNamespace there;
    Listener listener = listener_in(there, 1 << 20);
    CHECK(types(listener, Listener::Received::nothing).empty());
    there.shell("ip link set lo down");
    pollfd readable{.fd = listener.fd(), .events = POLLIN, .revents = 0};
    CHECK(::poll(&readable, 1, 1000) == 1);
    CHECK(types(listener, Listener::Received::messages) == std::vector<int>{RTM_NEWLINK});
    // Not what happens elsewhere, nor in other groups.
    const NetworkNamespace elsewhere;
    there.shell("ip addr add 10.0.0.1/32 dev lo");
    CHECK(types(listener, Listener::Received::nothing).empty());
}

TEST_CASE("a listener says when it has lost something, and hears the rest") {
    const NetworkNamespace there;
    Listener listener = listener_in(there, 4096);
    there.shell("for i in 1 2 3 4 5 6 7 8; do ip link set lo down; ip link set lo up; done");
    CHECK(types(listener, Listener::Received::lost).empty());
    CHECK(types(listener, Listener::Received::messages) == std::vector<int>{RTM_NEWLINK});
}

TEST_CASE("a group or a protocol that does not exist is refused") {
    const auto group = Listener::open(NETLINK_ROUTE, std::array<int, 1>{100'000}, 4096);
    REQUIRE_FALSE(group);
    CHECK(group.error().reason == "netlink-unavailable");
    CHECK_FALSE(Listener::open(31, kLinks, 4096));
}

TEST_CASE("a socket that can't be received from any more is a failure, not silence") {
    const NetworkNamespace there;
    Listener listener = listener_in(there, 4096);
    const UniqueFd other{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    REQUIRE(::dup2(other.get(), listener.fd()) == listener.fd());
    const auto received = listener.receive([](const nlmsghdr&) {});
    REQUIRE_FALSE(received);
    CHECK(received.error().reason == "netlink-receive-failed");
}
