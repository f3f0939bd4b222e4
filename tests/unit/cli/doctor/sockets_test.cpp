#include "cli/doctor/sockets.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/control/listeners.hpp"

using namespace keysluice;
using namespace keysluice::doctor;

TEST_SUITE("doctor sockets") {
    TEST_CASE("lines of /proc/net") {
        const auto ipv4 = parse_socket_line(
            "   12: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 x");
        REQUIRE(ipv4);
        CHECK(ipv4->address.text() == "127.0.0.1");
        CHECK(ipv4->port == 8080);
        CHECK(ipv4->state == 0x0A);
        CHECK(ipv4->inode == 4711);
        const auto ipv6 =
            parse_socket_line("  1: B80D0120000000000000000001000000:01F4 0:0 07 0:0 00:0 0 0 0 12 2 x 0");
        REQUIRE(ipv6);
        CHECK(ipv6->address.text() == "2001:db8::1");
        CHECK_FALSE(parse_socket_line("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt"));
        CHECK_FALSE(parse_socket_line(""));
        CHECK_FALSE(parse_socket_line("1: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 x"));
        CHECK_FALSE(parse_socket_line("1: 0100007F1F90 00000000:0000 0A 0:0 0:0 0 0 0 1"));
        CHECK_FALSE(parse_socket_line("1: 0100:1F90 00000000:0000 0A 0:0 0:0 0 0 0 1"));
    }

    TEST_CASE("a socket of ours has us for an owner") {
        const auto socket = control::bind_listener(Ipv4Endpoint{.address = {127, 0, 0, 1}}, false);
        REQUIRE(socket);
        sockaddr_in bound{};
        socklen_t size = sizeof(bound);
        REQUIRE(getsockname(socket->get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0);
        const Holders found = look_at_sockets("/proc");
        const auto ours = std::ranges::find(found.sockets, ntohs(bound.sin_port), &SocketFacts::port);
        REQUIRE(ours != found.sockets.end());
        CHECK_FALSE(ours->udp);
        CHECK(ours->address.text() == "127.0.0.1");
        REQUIRE(ours->owner);
        CHECK(ours->owner->pid == getpid());
        CHECK(std::ranges::find(found.processes, getpid(), &Process::pid) != found.processes.end());
    }

    TEST_CASE("UDP counts as soon as it has a port, TCP when it listens") {
        const auto port_of = [](const UniqueFd& socket) {
            sockaddr_in bound{
                .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
            socklen_t size = sizeof(bound);
            REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&bound), size) == 0);
            REQUIRE(getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0);
            return ntohs(bound.sin_port);
        };
        const UniqueFd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const UniqueFd tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const auto udp_port = port_of(udp);
        const auto tcp_port = port_of(tcp);
        const Holders found = look_at_sockets("/proc");
        const auto has = [&](bool is_udp, std::uint16_t port) {
            return std::ranges::any_of(found.sockets, [&](const SocketFacts& each) {
                return each.udp == is_udp && each.port == port && each.owner && each.owner->pid == getpid();
            });
        };
        CHECK(has(true, udp_port));
        CHECK_FALSE(has(false, tcp_port));
    }

    TEST_CASE("where there is no /proc, nothing is seen") {
        const Holders found = look_at_sockets("/nonexistent");
        CHECK(found.sockets.empty());
        CHECK(found.processes.empty());
    }
}
