#include "daemon/engine/origin.hpp"

#include <doctest/doctest.h>

using namespace keysluice;

namespace {

std::uint64_t origin(std::string_view text) {
    return origin_of(to_socket_address(parse_endpoint(text).value()).value());
}

}  // namespace

TEST_CASE("a client is counted by its address, whatever port it has") {
    CHECK(origin("192.0.2.1:5") == origin("192.0.2.1:6"));
    CHECK(origin("192.0.2.1:5") != origin("192.0.2.2:5"));
    CHECK(origin("192.0.2.1:5") == 0x4b8feb9364512928);
}

TEST_CASE("all addresses of an IPv6 network are one client") {
    CHECK(origin("[2001:db8:1:2::1]:5") == origin("[2001:db8:1:2:ffff::9]:5"));
    CHECK(origin("[2001:db8:1:2::1]:5") != origin("[2001:db8:1:3::1]:5"));
    const Ipv6Endpoint mapped{.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}, .port = 5};
    CHECK(origin_of(to_socket_address(mapped).value()) == origin("192.0.2.1:5"));
}

TEST_CASE("clients behind a translator to IPv6 are told apart (RFC 6052)") {
    CHECK(origin("[64:ff9b::192.0.2.1]:5") == origin("192.0.2.1:5"));
    CHECK(origin("[64:ff9b::192.0.2.1]:5") != origin("[64:ff9b::192.0.2.2]:5"));
    CHECK(origin("[64:ff9b:1::1]:5") == origin("[64:ff9b:1::2]:5"));
}

TEST_CASE("a local process has no address") {
    CHECK(origin("unix:/run/shop.sock") == 0);
    CHECK(origin_of({}) == 0);
}
