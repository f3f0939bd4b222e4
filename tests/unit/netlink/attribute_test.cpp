#include "netlink/attribute.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace keysluice;

TEST_CASE("attributes are taken one after the other, padding left out") {
    // Host byte order: these tests run on little-endian machines and the kernel's own messages are no different.
    const std::array<std::uint8_t, 15> bytes{5, 0, 1, 0,    0xaa, 0, 0, 0,  // one byte, three of padding
                                             7, 0, 2, 0x80, 1,    2, 3};    // a nest, its padding cut off
    Bytes rest{bytes};
    const auto first = netlink::next_attribute(rest);
    REQUIRE(first);
    CHECK(first->type == 1);
    CHECK(first->payload.size() == 1);
    CHECK(first->payload[0] == 0xaa);
    const auto second = netlink::next_attribute(rest);
    REQUIRE(second);
    CHECK(second->type == 2);
    CHECK(second->payload.size() == 3);
    CHECK(rest.empty());
    CHECK_FALSE(netlink::next_attribute(rest));
}

TEST_CASE("a length that lies ends the walk and leaves the bytes") {
    const auto refused = [](std::array<std::uint8_t, 5> bytes) {
        Bytes rest{bytes};
        return !netlink::next_attribute(rest) && rest.size() == bytes.size();
    };
    CHECK(refused({6, 0, 1, 0, 0xaa}));
    CHECK(refused({3, 0, 1, 0, 0xaa}));
    CHECK(refused({0, 0, 1, 0, 0xaa}));
    CHECK(refused({0xff, 0xff, 1, 0, 0xaa}));
    CHECK_FALSE(refused({5, 0, 1, 0, 0xaa}));
}

TEST_CASE("what is behind a structure starts aligned and never beyond the end") {
    const std::array<std::uint8_t, 8> bytes{};
    CHECK(netlink::behind(bytes, 0).size() == 8);
    CHECK(netlink::behind(bytes, 1).size() == 4);
    CHECK(netlink::behind(bytes, 4).size() == 4);
    CHECK(netlink::behind(bytes, 5).empty());
    CHECK(netlink::behind(bytes, 4000).empty());
}
