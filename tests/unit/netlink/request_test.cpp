#include "netlink/request.hpp"

#include <doctest/doctest.h>

#include <array>

#include "tests/support/hex.hpp"

using namespace keysluice;
using keysluice::testing::to_hex;

TEST_CASE("a request knows its length at every moment") {
    netlink::Request request{18};
    CHECK(to_hex(request.view()) == "10000000120000000000000000000000");
    request.structure(std::array<std::uint8_t, 5>{1, 2, 3, 4, 5});
    CHECK(to_hex(request.view().subspan(16)) == "0102030405000000");
    CHECK(request.header().nlmsg_len == 24);
    request.attribute_of(7, std::uint8_t{9});
    CHECK(to_hex(request.view().subspan(24)) == "0500070009000000");
    CHECK(request.header().nlmsg_len == 32);
}

TEST_CASE("an attribute may come in two pieces, and padding is no part of it") {
    const std::array<std::uint8_t, 2> head{1, 2};
    const std::array<std::uint8_t, 3> tail{3, 4, 5};
    netlink::Request request{18};
    request.attribute(1, head, tail).attribute(2, {}).attribute(3, tail);
    CHECK(to_hex(request.view().subspan(16)) ==
          "090001000102030405000000"
          "04000200"
          "0700030003040500");
}

TEST_CASE("flags and sequence number are set in place") {
    netlink::Request request{18};
    request.structure(std::uint32_t{5});
    request.header().nlmsg_flags = 0x0305;
    request.header().nlmsg_seq = 0x01020304;
    CHECK(to_hex(request.view()) ==
          "14000000120005030403020100000000"
          "05000000");
}
