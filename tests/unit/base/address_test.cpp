#include "base/address.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace keysluice;

namespace {

IpAddress address(std::string_view text) {
    const auto parsed = IpAddress::parse(text);
    REQUIRE_MESSAGE(parsed, std::string(text));
    return *parsed;
}

Prefix prefix(std::string_view text) {
    const auto parsed = Prefix::parse(text);
    REQUIRE_MESSAGE(parsed, std::string(text));
    return *parsed;
}

}  // namespace

TEST_CASE("an address that nobody set is 0.0.0.0") {
    CHECK(IpAddress().text() == "0.0.0.0");
    CHECK(IpAddress().unspecified());
    CHECK(IpAddress() == IpAddress::lowest(Family::ipv4));
}

TEST_CASE("addresses are written as they are read") {
    for (const char* text : {"192.0.2.1", "0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::1",
                             "::ffff:192.0.2.1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}) {
        CHECK(address(text).text() == text);
    }
    CHECK(address("2001:0DB8:0::1").text() == "2001:db8::1");
    CHECK(address("192.0.2.1").family() == Family::ipv4);
    CHECK(address("::ffff:192.0.2.1").family() == Family::ipv6);
}

TEST_CASE("octets make an address, and it gives them back") {
    const std::vector<std::uint8_t> four{192, 0, 2, 1};
    REQUIRE(IpAddress::from_octets(four));
    CHECK(IpAddress::from_octets(four)->text() == "192.0.2.1");
    CHECK(std::ranges::equal(IpAddress::from_octets(four)->octets(), four));
    const std::vector<std::uint8_t> sixteen{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7};
    CHECK(IpAddress::from_octets(sixteen)->text() == "2001:db8::7");
    CHECK(IpAddress::from_octets(sixteen)->octets().size() == 16);
    for (const std::size_t size : {0U, 3U, 5U, 15U, 17U}) {
        CHECK_FALSE(IpAddress::from_octets(std::vector<std::uint8_t>(size)));
    }
}

TEST_CASE("what is not an address") {
    for (const std::string_view text :
         {"", " ", "192.0.2", "192.0.2.256", "192.0.2.1 ", " 192.0.2.1", "192.0.2.01x", "1.2.3.4.5", "fe80::1%eth0",
          "192.0.2.1/24", "::1/128", "example.com", "1:2:3:4:5:6:7:8:9", "0x7f.1",
          "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"}) {
        CHECK_FALSE_MESSAGE(IpAddress::parse(text), std::string(text));
    }
    CHECK_FALSE(IpAddress::parse(std::string_view("192.0.2.1\0", 10)));
}

TEST_CASE("addresses are in order, all of IPv4 before all of IPv6") {
    CHECK(address("9.255.255.255") < address("10.0.0.0"));
    CHECK(address("10.0.0.255") < address("10.0.1.0"));
    CHECK(IpAddress::highest(Family::ipv4) < IpAddress::lowest(Family::ipv6));
    CHECK(address("2001:db8::") < address("2001:db8::1"));
    CHECK(IpAddress::lowest(Family::ipv6).unspecified());
    CHECK_FALSE(IpAddress::highest(Family::ipv6).unspecified());
    CHECK(IpAddress::highest(Family::ipv4).text() == "255.255.255.255");
    CHECK(address("0.0.0.0") != address("::"));
    CHECK(IpAddress().bits() == 32);
    CHECK(address("::").bits() == 128);
}

TEST_CASE("an endpoint is written so that its port can be found") {
    CHECK(UdpEndpoint{address("192.0.2.1"), 500}.text() == "192.0.2.1:500");
    CHECK(UdpEndpoint{address("2001:db8::1"), 4500}.text() == "[2001:db8::1]:4500");
}

TEST_CASE("a prefix covers from its first to its last address") {
    struct Row {
        const char* text;
        const char* first;
        const char* last;
    };
    for (const Row& row : std::vector<Row>{{"10.1.0.0/16", "10.1.0.0", "10.1.255.255"},
                                           {"10.1.2.4/30", "10.1.2.4", "10.1.2.7"},
                                           {"10.1.2.128/25", "10.1.2.128", "10.1.2.255"},
                                           {"0.0.0.0/0", "0.0.0.0", "255.255.255.255"},
                                           {"192.0.2.1/32", "192.0.2.1", "192.0.2.1"},
                                           {"::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
                                           {"2001:db8::/33", "2001:db8::", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"},
                                           {"::1/128", "::1", "::1"}}) {
        CHECK(prefix(row.text).first().text() == row.first);
        CHECK(prefix(row.text).last().text() == row.last);
        CHECK(prefix(row.text).text() == row.text);
    }
    CHECK(prefix("192.0.2.1").text() == "192.0.2.1/32");
    CHECK(prefix("2001:db8::1").length == 128);
}

TEST_CASE("what is not a prefix") {
    for (const std::string_view text :
         {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/ 8",
          "10.0.0.0/8 ", "10.0.0.0/8/8", "10.0.0.0/255.0.0.0", "10.0.0.0/4294967304", "10.0.0.0/0x8"}) {
        CHECK_FALSE_MESSAGE(Prefix::parse(text), std::string(text));
    }
    // Bits beyond the length.
    CHECK_FALSE(Prefix::parse("10.1.2.5/30"));
    CHECK_FALSE(Prefix::parse("10.1.0.1/16"));
    CHECK_FALSE(Prefix::parse("128.0.0.0/0"));
    CHECK_FALSE(Prefix::parse("2001:db8:8000::/32"));
}
