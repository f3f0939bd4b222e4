#include "daemon/control/selectors.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace keysluice;
using namespace keysluice::control;

namespace {

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
