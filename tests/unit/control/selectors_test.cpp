#include "daemon/control/selectors.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace keysluice;
using namespace keysluice::control;

namespace {

std::string prefixes(const char* first, const char* last) {
    std::string text;
    for (const Prefix& each : split_range(*IpAddress::parse(first), *IpAddress::parse(last))) {
        text += (text.empty() ? "" : " ") + each.text();
    }
    return text;
}

ike::TrafficSelectors selectors(std::initializer_list<const char*> texts) {
    ike::TrafficSelectors all;
    for (const char* text : texts) {
        all.push_back(ike::parse_selector(text).value());
    }
    return all;
}

std::string text_of(const xfrm::PortMask& port) {
    return std::to_string(port.port) + "&" + std::to_string(port.mask);
}

/// One line each: "10.1.0.0/16 10.2.0.0/16 6 0&0 443&65535".
std::string kernel(std::initializer_list<const char*> local, std::initializer_list<const char*> remote) {
    const auto all = kernel_selectors(selectors(local), selectors(remote));
    if (!all) {
        return std::string(all.error().reason);
    }
    std::string text;
    for (const xfrm::Selector& each : *all) {
        text += (text.empty() ? "" : "\n") + each.source.text() + " " + each.destination.text() + " " +
                std::to_string(each.protocol) + " " + text_of(each.source_port) + " " +
                text_of(each.destination_port);
    }
    return text;
}

}  // namespace

TEST_SUITE_BEGIN("selectors");

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
    using Masks = std::vector<xfrm::PortMask>;
    CHECK(split_ports(0, 65535) == Masks{{0, 0}});
    CHECK(split_ports(443, 443) == Masks{{443, 0xffff}});
    CHECK(split_ports(1024, 2047) == Masks{{1024, 0xfc00}});
    CHECK(split_ports(1000, 1010) == Masks{{1000, 0xfff8}, {1008, 0xfffe}, {1010, 0xffff}});
    CHECK(split_ports(65535, 65535) == Masks{{65535, 0xffff}});
    CHECK(split_ports(1, 65534).size() == 30);
    for (std::uint32_t port = 0; port <= 65535; ++port) {
        unsigned hits = 0;
        for (const xfrm::PortMask& each : split_ports(77, 40000)) {
            hits += (port & each.mask) == each.port ? 1 : 0;
        }
        if (hits != (port >= 77 && port <= 40000 ? 1U : 0U)) {
            FAIL("port " << port << " is hit " << hits << " times");
        }
    }
}

TEST_CASE("each selector of one side meets each of the other") {
    CHECK(kernel({"10.1.0.0/16"}, {"10.2.0.0/16"}) == "10.1.0.0/16 10.2.0.0/16 0 0&0 0&0");
    CHECK(kernel({"10.1.0.0/16", "10.9.0.0/16"}, {"10.2.0.0/16", "10.3.0.0/16"}) ==
          "10.1.0.0/16 10.2.0.0/16 0 0&0 0&0\n10.1.0.0/16 10.3.0.0/16 0 0&0 0&0\n"
          "10.9.0.0/16 10.2.0.0/16 0 0&0 0&0\n10.9.0.0/16 10.3.0.0/16 0 0&0 0&0");
    // Families don't mix; what has no partner is left out.
    CHECK(kernel({"10.1.0.0/16", "fd01::/16"}, {"fd02::/16"}) == "fd01::/16 fd02::/16 0 0&0 0&0");
    CHECK(kernel({"10.1.0.0/16"}, {"fd02::/16"}) == "selectors-empty");
    // A packet's first selector, and the whole: said twice, there once.
    CHECK(kernel({"10.1.0.0/16", "10.1.0.0/16"}, {"10.2.0.0/16"}) == "10.1.0.0/16 10.2.0.0/16 0 0&0 0&0");
}

TEST_CASE("protocols and ports") {
    CHECK(kernel({"10.1.0.0/16/tcp"}, {"10.2.0.0/16/tcp/443"}) == "10.1.0.0/16 10.2.0.0/16 6 0&0 443&65535");
    CHECK(kernel({"10.1.0.0/16"}, {"10.2.0.0/16/tcp/443"}) == "10.1.0.0/16 10.2.0.0/16 6 0&0 443&65535");
    CHECK(kernel({"10.1.0.0/16/udp"}, {"10.2.0.0/16/tcp/443"}) == "selectors-empty");
    CHECK(kernel({"10.1.0.0/16/udp/2-5"}, {"10.2.0.0/16/udp/8-9"}) ==
          "10.1.0.0/16 10.2.0.0/16 17 2&65534 8&65534\n10.1.0.0/16 10.2.0.0/16 17 4&65534 8&65534");
}

TEST_CASE("ICMP: the type is the kernel's source port, the code its destination port") {
    CHECK(kernel({"10.1.0.0/16/icmp"}, {"10.2.0.0/16/icmp"}) == "10.1.0.0/16 10.2.0.0/16 1 0&0 0&0");
    CHECK(kernel({"10.1.0.0/16/icmp/8"}, {"10.2.0.0/16/icmp/8"}) == "10.1.0.0/16 10.2.0.0/16 1 8&65535 0&0");
    CHECK(kernel({"10.1.0.0/16/icmp/3/1"}, {"10.2.0.0/16/icmp/3/1"}) == "10.1.0.0/16 10.2.0.0/16 1 3&65535 1&65535");
    CHECK(kernel({"10.1.0.0/16/icmp/3/1"}, {"10.2.0.0/16/icmp"}) == "10.1.0.0/16 10.2.0.0/16 1 3&65535 1&65535");
    CHECK(kernel({"10.1.0.0/16/icmp/3/1"}, {"10.2.0.0/16/icmp/8"}) == "selectors-empty");
    const auto echo = kernel_selectors(selectors({"10.1.0.0/16/icmp/8"}), selectors({"10.2.0.0/16/icmp/8"}));
    CHECK(reversed(echo->front()).source_port == xfrm::PortMask{8, 0xffff});
}

TEST_CASE("arriving packets have it the other way round") {
    const auto there = kernel_selectors(selectors({"10.1.0.0/16/tcp/7"}), selectors({"10.2.0.0/16/tcp/443"}));
    const xfrm::Selector back = reversed(there->front());
    CHECK(back.source == Prefix::parse("10.2.0.0/16"));
    CHECK(back.destination == Prefix::parse("10.1.0.0/16"));
    CHECK(back.source_port == xfrm::PortMask{443, 0xffff});
    CHECK(back.destination_port == xfrm::PortMask{7, 0xffff});
    CHECK(reversed(back) == there->front());
}

TEST_CASE("a packet is of one address and one port at each end") {
    xfrm::Selector packet{.source = *Prefix::parse("10.1.0.5/32"),
                          .destination = *Prefix::parse("10.2.0.9/32"),
                          .protocol = 6,
                          .source_port = {4711, 0xffff},
                          .destination_port = {443, 0xffff}};
    CHECK(packet_selectors(packet).local == *ike::parse_selector("10.1.0.5/tcp/4711"));
    CHECK(packet_selectors(packet).remote == *ike::parse_selector("10.2.0.9/tcp/443"));
    packet.protocol = 1;
    packet.source_port.port = 8;  // an echo request
    packet.destination_port.port = 0;
    CHECK(packet_selectors(packet).local == *ike::parse_selector("10.1.0.5/icmp"));
    CHECK(packet_selectors(packet).remote == *ike::parse_selector("10.2.0.9/icmp"));
}

TEST_CASE("what the kernel can't have") {
    ike::TrafficSelectors opaque = selectors({"10.1.0.0/16/tcp"});
    opaque[0].first_port = 65535;
    opaque[0].last_port = 0;
    CHECK(kernel_selectors(opaque, selectors({"10.2.0.0/16"})).error().reason == "selectors-opaque");
    CHECK(kernel_selectors(selectors({"10.2.0.0/16"}), opaque).error().reason == "selectors-opaque");
    // 62 by 62 prefixes, and a peer who would have us make very many more.
    CHECK(kernel({"0.0.0.1-255.255.255.254"}, {"0.0.0.1-255.255.255.254"}) == "selectors-too-many");
    const ike::TrafficSelectors wide = selectors({"::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/tcp/1-65534"});
    CHECK(kernel_selectors(ike::TrafficSelectors(64, wide[0]), ike::TrafficSelectors(64, wide[0])).error().reason ==
          "selectors-too-many");
}

TEST_SUITE_END();
