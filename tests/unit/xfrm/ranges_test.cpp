#include "xfrm/ranges.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>

using namespace keysluice;
using namespace keysluice::xfrm;

namespace {

std::string prefixes(const char* first, const char* last) {
    std::string text;
    for (const Prefix& each : split_range(*IpAddress::parse(first), *IpAddress::parse(last))) {
        text += (text.empty() ? "" : " ") + each.text();
    }
    return text;
}

}  // namespace

TEST_SUITE_BEGIN("ranges");

TEST_CASE("a range of addresses becomes the fewest prefixes") {
    CHECK(prefixes("0.0.0.0", "255.255.255.255") == "0.0.0.0/0");
    CHECK(prefixes("10.1.0.0", "10.1.255.255") == "10.1.0.0/16");
    CHECK(prefixes("10.0.0.5", "10.0.0.5") == Prefix::parse("10.0.0.5").value().text());
    CHECK(prefixes("10.0.0.0", "10.0.0.9") == "10.0.0.0/29 10.0.0.8/31");
    CHECK(prefixes("10.0.0.1", "10.0.0.6") == Prefix::parse("10.0.0.1").value().text() + " 10.0.0.2/31 10.0.0.4/31 " +
                                                  Prefix::parse("10.0.0.6").value().text());
    CHECK(split_range(*IpAddress::parse("0.0.0.1"), *IpAddress::parse("255.255.255.254")).size() == 62);
    CHECK(prefixes("2001:db8::", "2001:db8::ffff") == "2001:db8::/112");
    CHECK(prefixes("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") == "::/0");
    CHECK(
        split_range(*IpAddress::parse("::1"), *IpAddress::parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe")).size() ==
        254);
}

TEST_CASE("the prefixes of a range are all of it and nothing else") {
    const auto number = [](const IpAddress& address) { return Reader(address.octets()).be<std::uint32_t>(); };
    const auto address = [](std::uint32_t value) { return *IpAddress::from_octets(Writer().be(value).view()); };
    for (const auto& [first, last] : std::initializer_list<std::pair<std::uint32_t, std::uint32_t>>{
             {3, 77}, {0, 1}, {1, 0xfffffffe}, {0x7fffffff, 0x80000000}, {0xfffffff0, 0xffffffff}}) {
        std::uint64_t next = first;
        for (const Prefix& each : split_range(address(first), address(last))) {
            CHECK(number(each.first()) == next);
            next = std::uint64_t{number(each.last())} + 1;
        }
        CHECK(next == std::uint64_t{last} + 1);
    }
}

TEST_CASE("a range of ports becomes the fewest masks") {
    using Masks = std::vector<PortMask>;
    CHECK(split_ports(0, 65535) == Masks{{0, 0}});
    CHECK(split_ports(443, 443) == Masks{{443, 0xffff}});
    CHECK(split_ports(1024, 2047) == Masks{{1024, 0xfc00}});
    CHECK(split_ports(1000, 1010) == Masks{{1000, 0xfff8}, {1008, 0xfffe}, {1010, 0xffff}});
    CHECK(split_ports(65535, 65535) == Masks{{65535, 0xffff}});
    CHECK(split_ports(1, 65534).size() == 30);
    for (std::uint32_t port = 0; port <= 65535; ++port) {
        unsigned hits = 0;
        for (const PortMask& each : split_ports(77, 40000)) {
            hits += (port & each.mask) == each.port ? 1 : 0;
        }
        if (hits != (port >= 77 && port <= 40000 ? 1U : 0U)) {
            FAIL("port " << port << " is hit " << hits << " times");
        }
    }
}

TEST_CASE("the overlap of selectors is a selector") {
    const auto prefix = [](const char* text) { return *Prefix::parse(text); };
    const Selector web{.source = prefix("10.0.0.0/8"),
                       .destination = prefix("192.0.2.0/24"),
                       .protocol = 6,
                       .source_port = {},
                       .destination_port = {0x0100, 0xff00},
                       .user = 7};
    const Selector one{.source = prefix("10.1.2.3"), .destination = prefix("0.0.0.0/0")};
    const Selector even{.source = prefix("10.0.0.0/7"),
                        .destination = prefix("192.0.2.0/24"),
                        .protocol = 6,
                        .source_port = {},
                        .destination_port = {0, 1}};
    Selector both = web;
    both.source = one.source;
    CHECK(overlap(web, one) == both);
    both.user = 0;
    CHECK(overlap(one, web) == both);
    both = web;
    both.destination_port = {0x0100, 0xff01};
    CHECK(overlap(web, even) == both);
    CHECK(overlap(web, web) == web);

    Selector other = web;
    other.protocol = 17;
    CHECK_FALSE(overlap(web, other));
    other = web;
    other.source = prefix("11.0.0.0/8");
    CHECK_FALSE(overlap(web, other));
    other = web;
    other.destination_port = {0x0200, 0xff00};
    CHECK_FALSE(overlap(web, other));
    other.destination_port = {0x0180, 0xffff};
    CHECK(overlap(web, other)->destination_port == PortMask{0x0180, 0xffff});
    CHECK_FALSE(overlap(web, {.source = prefix("::/0"), .destination = prefix("::/0")}));
}

TEST_SUITE_END();
