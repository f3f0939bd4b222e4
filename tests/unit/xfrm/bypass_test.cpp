#include "xfrm/bypass.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "tests/support/network_namespace.hpp"
#include "xfrm/kernel.hpp"

using namespace keysluice;
using namespace keysluice::xfrm;
using namespace keysluice::test;

namespace {

UniqueFd datagrams(const NetworkNamespace& there, Family family) {
    const int domain = family == Family::ipv4 ? AF_INET : AF_INET6;
    return there.run([&] { return UniqueFd(::socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, 0)); });
}

/// A datagram of a socket to itself, over loopback: 0 where it arrives, else what hindered it.
int to_itself(const UniqueFd& socket, Family family) {
    sockaddr_in6 own{};
    if (family == Family::ipv4) {
        auto* ipv4 = reinterpret_cast<sockaddr_in*>(&own);
        ipv4->sin_family = AF_INET;
        ipv4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else {
        own.sin6_family = AF_INET6;
        own.sin6_addr = in6addr_loopback;
    }
    socklen_t size = family == Family::ipv4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    auto* address = reinterpret_cast<sockaddr*>(&own);
    REQUIRE(::bind(socket.get(), address, size) == 0);
    REQUIRE(::getsockname(socket.get(), address, &size) == 0);
    if (::sendto(socket.get(), "x", 1, 0, address, size) != 1) {
        return errno;
    }
    pollfd readable{.fd = socket.get(), .events = POLLIN, .revents = 0};
    return ::poll(&readable, 1, 200) == 1 ? 0 : ETIMEDOUT;
}

/// Everything is blocked in one direction.
void block(const NetworkNamespace& there, Direction direction) {
    Kernel kernel = there.run([] { return Kernel::open(); }).value();
    Transaction changes;
    for (const std::string_view all : {"0.0.0.0/0", "::/0"}) {
        const Prefix prefix = Prefix::parse(all).value();
        changes.add(Policy{.direction = direction,
                           .selector = {.source = prefix, .destination = prefix},
                           .priority = 1,
                           .action = Action::block});
    }
    const auto applied = kernel.apply(changes);
    REQUIRE_MESSAGE(applied, (applied ? "" : applied.error().sentence));
}

}  // namespace

TEST_SUITE("kernel") {
    TEST_CASE("xfrm: a socket with a bypass is not bound by policies, any other is") {
        for (const Direction direction : {Direction::in, Direction::out}) {
            const NetworkNamespace there;
            // Loopback is exempt unless it is told otherwise (Documentation/networking/ip-sysctl: disable_policy).
            there.shell(
                "echo 0 > /proc/sys/net/ipv4/conf/lo/disable_policy; "
                "echo 0 > /proc/sys/net/ipv4/conf/lo/disable_xfrm");
            block(there, direction);
            for (const Family family : {Family::ipv4, Family::ipv6}) {
                CAPTURE(family == Family::ipv6);
                CAPTURE(direction == Direction::in);
                CHECK(to_itself(datagrams(there, family), family) != 0);
                const UniqueFd free = datagrams(there, family);
                const auto bypassed = bypass_policies(free.get(), family);
                REQUIRE_MESSAGE(bypassed, (bypassed ? "" : bypassed.error().sentence));
                CHECK(to_itself(free, family) == 0);
            }
        }
    }

    TEST_CASE("xfrm: a UDP socket takes ESP and still hands IKE's messages over") {
        const NetworkNamespace there;
        const UniqueFd socket = datagrams(there, Family::ipv4);
        const auto accepted = accept_encapsulated_esp(socket.get());
        REQUIRE_MESSAGE(accepted, (accepted ? "" : accepted.error().sentence));
        sockaddr_in own{};
        own.sin_family = AF_INET;
        own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(own);
        REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), size) == 0);
        REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&own), &size) == 0);
        const std::array<std::uint8_t, 16> esp{0xc0, 0, 0, 1};
        const std::array<std::uint8_t, 16> ike{0, 0, 0, 0, 7};
        for (const auto& message : {esp, ike}) {
            REQUIRE(::sendto(socket.get(), message.data(), message.size(), 0, reinterpret_cast<const sockaddr*>(&own),
                             size) == 16);
        }
        std::array<std::uint8_t, 16> arrived{};
        CHECK(::recv(socket.get(), arrived.data(), arrived.size(), MSG_DONTWAIT) == 16);
        CHECK(arrived == ike);
        CHECK(::recv(socket.get(), arrived.data(), arrived.size(), MSG_DONTWAIT) < 0);
    }

    TEST_CASE("xfrm: what is not a socket of that kind is refused with a reason") {
        const UniqueFd file{::memfd_create("file", 0)};
        CHECK(bypass_policies(file.get(), Family::ipv4).error().reason == "socket-bypass-refused");
        CHECK(accept_encapsulated_esp(file.get()).error().reason == "udp-encapsulation-refused");
    }
}
