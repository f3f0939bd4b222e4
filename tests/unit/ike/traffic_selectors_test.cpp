#include "ike/traffic_selectors.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <random>

#include "ike/wire/message.hpp"

using namespace keysluice;
using namespace keysluice::ike;

namespace {

wire::TrafficSelector selector(std::string_view text) {
    const auto parsed = parse_selector(text);
    REQUIRE_MESSAGE(parsed, (parsed ? std::string(text) : parsed.error().sentence));
    return *parsed;
}

TrafficSelectors selectors(std::initializer_list<std::string_view> texts) {
    TrafficSelectors all;
    for (const std::string_view text : texts) {
        all.push_back(selector(text));
    }
    return all;
}

std::string printed(const std::optional<wire::TrafficSelector>& one) {
    return one ? wire::print(*one) : "nothing";
}

std::string printed(const TrafficSelectors& all) {
    std::string text;
    for (const auto& one : all) {
        text += (text.empty() ? "" : " ") + wire::print(one);
    }
    return text;
}

/// Small ranges of everything, so that they often meet.
wire::TrafficSelector random_selector(std::minstd_rand& random) {
    const auto below = [&random](unsigned limit) { return static_cast<unsigned>(random() % limit); };
    wire::TrafficSelector one;
    constexpr std::array<std::uint8_t, 4> kProtocols{0, 6, 17, 1};
    one.protocol = kProtocols.at(below(4));
    const unsigned first = below(8);
    const unsigned last = first + below(8 - first);
    one.first = *IpAddress::from_octets(std::array<std::uint8_t, 4>{10, 0, 0, static_cast<std::uint8_t>(first)});
    one.last = *IpAddress::from_octets(std::array<std::uint8_t, 4>{10, 0, 0, static_cast<std::uint8_t>(last)});
    switch (below(4)) {
        case 0:
            one.first_port = 65535;
            one.last_port = 0;
            break;
        case 1:
            one.first_port = static_cast<std::uint16_t>(below(6));
            one.last_port = static_cast<std::uint16_t>(one.first_port + below(6));
            break;
        default:
            break;
    }
    return one;
}

/// One packet: 65536 stands for a port that can't be seen.
bool matches(const wire::TrafficSelector& one, const IpAddress& address, unsigned protocol, unsigned port) {
    const bool any = one.first_port == 0 && one.last_port == 65535;
    const bool opaque = one.first_port == 65535 && one.last_port == 0;
    const bool port_fits = port == 65536 ? any || opaque : one.first_port <= port && port <= one.last_port;
    return one.first <= address && address <= one.last && (one.protocol == 0 || one.protocol == protocol) &&
           port_fits;
}

bool matches(const TrafficSelectors& all, const IpAddress& address, unsigned protocol, unsigned port) {
    return std::ranges::any_of(all, [&](const auto& one) { return matches(one, address, protocol, port); });
}

/// Calls `visit` with each packet that the random selectors could tell apart.
void each_packet(const std::function<void(const IpAddress&, unsigned, unsigned)>& visit) {
    for (std::uint8_t host = 0; host < 8; ++host) {
        const auto address = *IpAddress::from_octets(std::array<std::uint8_t, 4>{10, 0, 0, host});
        for (const unsigned protocol : {6U, 17U, 1U, 50U}) {
            for (const unsigned port : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U, 9U, 10U, 11U, 65535U, 65536U}) {
                visit(address, protocol, port);
            }
        }
    }
}

}  // namespace

TEST_CASE("selectors are read as they are written") {
    for (const char* text : {"10.1.0.0/16",
                             "10.1.0.5",
                             "10.1.0.5-10.1.0.9",
                             "0.0.0.0/0",
                             "::/0",
                             "2001:db8::/32",
                             "2001:db8::5",
                             "2001:db8::5-2001:db8::9",
                             "10.1.0.0/16/tcp",
                             "10.1.0.5/tcp",
                             "10.1.0.0/16/47",
                             "10.1.0.5/32/47",
                             "10.1.0.5-10.1.0.9/47",
                             "10.1.0.5/tcp/443",
                             "10.1.0.0/16/udp/1024-2047",
                             "10.1.0.5/icmp/8",
                             "10.1.0.5/icmp/3/1",
                             "10.1.0.5/icmp/0",
                             "10.1.0.5/icmp/255",
                             "::1/icmpv6/128",
                             "10.1.0.5/32/132/80",
                             "10.1.0.5/tcp/opaque",
                             "10.1.0.5/icmp/opaque",
                             "10.1.0.5/tcp/65535",
                             "10.1.0.5/tcp/0"}) {
        CHECK(wire::print(selector(text)) == text);
    }
    CHECK(selector("10.1.0.5/32") == selector("10.1.0.5"));
    CHECK(selector("10.1.0.0/16/17") == selector("10.1.0.0/16/udp"));
    CHECK(selector("10.1.0.5-10.1.0.5/6") == selector("10.1.0.5/tcp"));
    CHECK(selector("10.1.0.5/tcp/0-65535") == selector("10.1.0.5/tcp"));
    CHECK(selector("10.1.0.5/icmp/8").first_port == 0x0800);
    CHECK(selector("10.1.0.5/icmp/8").last_port == 0x08ff);
    CHECK(selector("10.1.0.5/icmp/3/1").last_port == 0x0301);
    CHECK(selector("10.1.0.5") == selector_of(*IpAddress::parse("10.1.0.5")));
}

TEST_CASE("what is not a selector, and what to write instead") {
    struct Row {
        const char* text;
        const char* why;
    };
    const char* const addresses = "begins with a prefix";
    const char* const protocol = "a protocol is";
    const char* const port = "a port or a range of ports";
    const char* const icmp = "an ICMP type";
    for (const Row& row : std::vector<Row>{{"", addresses},
                                           {"/", addresses},
                                           {"tcp", addresses},
                                           {"10.1.0.5/16", addresses},
                                           {"10.1.0.5/17", "10.1.0.5/32/17"},
                                           {"10.1.0.0/33", addresses},
                                           {"10.1.0.9-10.1.0.5", addresses},
                                           {"10.1.0.9-::1", addresses},
                                           {"10.1.0.9-", addresses},
                                           {"-10.1.0.9", addresses},
                                           {"10.1.0.1-10.1.0.2-10.1.0.3", addresses},
                                           {"10.1.0.5/sctp", protocol},
                                           {"10.1.0.5/32/256", protocol},
                                           {"10.1.0.5/32/0", protocol},
                                           {"10.1.0.5/any/80", protocol},
                                           {"10.1.0.0/1000", protocol},
                                           {"10.1.0.5//tcp", protocol},
                                           {"10.1.0.5/", "something is missing"},
                                           {"10.1.0.5/tcp/", "something is missing"},
                                           {"10.1.0.0/16/50/80", "protocol 50 has no ports"},
                                           {"10.1.0.5/tcp/https", port},
                                           {"10.1.0.5/tcp/65536", port},
                                           {"10.1.0.5/tcp/2-1", port},
                                           {"10.1.0.5/tcp/1-", port},
                                           {"10.1.0.5/tcp/-1", port},
                                           {"10.1.0.5/tcp/80/81", port},
                                           {"10.1.0.5/icmp/256", icmp},
                                           {"10.1.0.5/icmp/3/256", icmp},
                                           {"10.1.0.5/icmp/3/1/2", icmp},
                                           {"10.1.0.5/icmp/3-4", icmp}}) {
        const auto parsed = parse_selector(row.text);
        REQUIRE_FALSE_MESSAGE(parsed, row.text);
        CHECK(parsed.error().reason == "selector-syntax");
        CHECK_MESSAGE(parsed.error().sentence.contains(row.why), parsed.error().sentence);
    }
}

TEST_CASE("an intersection takes the narrower of each") {
    struct Row {
        const char* a;
        const char* b;
        const char* common;
    };
    for (const Row& row :
         std::vector<Row>{{"10.1.0.0/16", "10.0.0.0/8", "10.1.0.0/16"},
                          {"10.1.0.0/16", "10.2.0.0/16", "nothing"},
                          {"10.1.0.0-10.1.0.9", "10.1.0.5-10.1.0.20", "10.1.0.5-10.1.0.9"},
                          {"10.1.0.5", "10.1.0.5", "10.1.0.5"},
                          {"0.0.0.0/0", "::/0", "nothing"},
                          {"::/0", "2001:db8::1", "2001:db8::1"},
                          {"10.1.0.0/16", "10.1.0.5/tcp/443", "10.1.0.5/tcp/443"},
                          {"10.1.0.0/16/tcp", "10.1.0.0/16/udp", "nothing"},
                          {"10.1.0.0/16/tcp/1-100", "10.1.0.0/16/tcp/50-200", "10.1.0.0/16/tcp/50-100"},
                          {"10.1.0.0/16/tcp/1-100", "10.1.0.0/16/tcp/101", "nothing"},
                          {"10.1.0.0/16/icmp/8", "10.1.0.0/16/icmp/8/0", "10.1.0.0/16/icmp/8/0"},
                          {"10.1.0.0/16/icmp/8", "10.1.0.0/16/icmp/0", "nothing"},
                          // ANY includes OPAQUE, and no range of ports does.
                          {"10.1.0.0/16/tcp", "10.1.0.5/tcp/opaque", "10.1.0.5/tcp/opaque"},
                          {"10.1.0.0/16", "10.1.0.5/tcp/opaque", "10.1.0.5/tcp/opaque"},
                          {"10.1.0.5/tcp/opaque", "10.1.0.5/tcp/opaque", "10.1.0.5/tcp/opaque"},
                          {"10.1.0.5/tcp/0-65534", "10.1.0.5/tcp/opaque", "nothing"},
                          {"10.1.0.5/tcp/65535", "10.1.0.5/tcp/opaque", "nothing"},
                          {"10.1.0.5/tcp/0", "10.1.0.5/tcp/opaque", "nothing"}}) {
        CHECK(printed(intersection(selector(row.a), selector(row.b))) == row.common);
        CHECK(printed(intersection(selector(row.b), selector(row.a))) == row.common);
    }
}

TEST_CASE("narrowing keeps the order of the offer and says nothing twice") {
    // RFC 7296 section 2.9's example: the packet's own selector first, then the network.
    const auto narrowed = [](std::initializer_list<std::string_view> offered,
                             std::initializer_list<std::string_view> allowed) {
        return printed(narrow(selectors(offered), selectors(allowed)));
    };
    CHECK(narrowed({"198.51.100.43/tcp/4711", "198.51.100.0/24"}, {"198.51.100.0/24"}) == "198.51.100.0/24");
    CHECK(narrowed({"198.51.100.43/tcp/4711", "198.51.100.0/24"}, {"198.51.100.43"}) == "198.51.100.43");
    CHECK(narrowed({"198.51.100.43", "198.51.100.0/24"}, {"198.51.100.0/28"}) == "198.51.100.0/28");
    CHECK(narrowed({"10.2.0.0/16", "10.1.0.0/16"}, {"10.0.0.0/8"}) == "10.2.0.0/16 10.1.0.0/16");
    CHECK(narrowed({"0.0.0.0/0"}, {"10.2.0.0/16", "10.1.0.0/16"}) == "10.2.0.0/16 10.1.0.0/16");
    CHECK(narrowed({"0.0.0.0/0", "::/0"}, {"2001:db8::/32", "10.1.0.0/16"}) == "10.1.0.0/16 2001:db8::/32");
    CHECK(narrowed({"10.1.0.0/16", "10.1.0.0/16", "10.0.0.0/8"}, {"10.1.0.0/16", "10.1.0.0/16"}) == "10.1.0.0/16");
    CHECK(narrowed({"10.1.0.1", "10.2.0.0/16", "10.1.0.2", "10.1.0.0/16"}, {"0.0.0.0/0"}) ==
          "10.1.0.0/16 10.2.0.0/16");
    CHECK(narrowed({"10.1.0.0/16"}, {"10.1.0.0/16/tcp", "10.1.0.0/16/udp/53"}) ==
          "10.1.0.0/16/tcp 10.1.0.0/16/udp/53");
    CHECK(narrowed({"10.1.0.0/16"}, {"10.2.0.0/16"}).empty());
    CHECK(narrowed({}, {"10.2.0.0/16"}).empty());
    CHECK(narrowed({"10.2.0.0/16"}, {}).empty());
}

TEST_CASE("narrowing gives no more than a payload can carry") {
    TrafficSelectors allowed;
    for (unsigned i = 0; i < 200; ++i) {
        allowed.push_back(selector("10.1." + std::to_string(i) + ".1"));
    }
    CHECK(narrow(selectors({"10.0.0.0/8"}), allowed).size() == wire::kMostPayloads);
}

TEST_CASE("an answer must lie in the offer, each part of it in one selector") {
    const auto covered = [](std::initializer_list<std::string_view> outer,
                            std::initializer_list<std::string_view> inner) {
        return covers(selectors(outer), selectors(inner));
    };
    CHECK(covered({"10.1.0.0/16"}, {"10.1.0.0/16"}));
    CHECK(covered({"10.1.0.0/16", "10.2.0.0/16"}, {"10.2.0.5/tcp/80", "10.1.0.0/24"}));
    CHECK_FALSE(covered({"10.1.0.0/16"}, {"10.0.0.0/8"}));
    CHECK_FALSE(covered({"10.1.0.0/16"}, {"10.1.0.0/24", "10.2.0.0/24"}));
    CHECK_FALSE(covered({"10.1.0.0/16/tcp"}, {"10.1.0.0/16"}));
    CHECK_FALSE(covered({"10.1.0.0/16/tcp/80"}, {"10.1.0.0/16/tcp"}));
    CHECK_FALSE(covered({"10.0.0.0/9", "10.128.0.0/9"}, {"10.0.0.0/8"}));
    CHECK(covered({"10.1.0.0/16/tcp"}, {"10.1.0.0/16/tcp/opaque"}));
    CHECK_FALSE(covered({"10.1.0.0/16/tcp/opaque"}, {"10.1.0.0/16/tcp"}));
    CHECK_FALSE(covered({"::/0"}, {"10.1.0.0/16"}));
    // No answer at all is not one that lies in the offer.
    CHECK_FALSE(covered({"10.1.0.0/16"}, {}));
    CHECK_FALSE(covered({}, {"10.1.0.0/16"}));
}

TEST_CASE("what matches an intersection or a narrowing matches both sides, packet by packet") {
    std::minstd_rand random(7296);
    for (int round = 0; round < 300; ++round) {
        const TrafficSelectors offered{random_selector(random), random_selector(random), random_selector(random)};
        const TrafficSelectors allowed{random_selector(random), random_selector(random)};
        const auto common = intersection(offered[0], allowed[0]);
        const TrafficSelectors narrowed = narrow(offered, allowed);
        bool same = true;
        each_packet([&](const IpAddress& address, unsigned protocol, unsigned port) {
            const bool both =
                matches(offered[0], address, protocol, port) && matches(allowed[0], address, protocol, port);
            same = same && both == (common && matches(*common, address, protocol, port));
            const bool all = matches(offered, address, protocol, port) && matches(allowed, address, protocol, port);
            same = same && all == matches(narrowed, address, protocol, port);
        });
        CHECK(same);
        CHECK((narrowed.empty() || covers(offered, narrowed)));
        CHECK((narrowed.empty() || covers(allowed, narrowed)));
        CHECK(narrow(narrowed, narrowed) == narrowed);
    }
}
