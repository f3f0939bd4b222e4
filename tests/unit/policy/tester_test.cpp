#include "policy/tester.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>

#include <algorithm>
#include <random>
#include <string>

#include "tests/support/seed_policies.hpp"

using namespace keysluice;
using namespace keysluice::policy;
using namespace keysluice::test;

namespace {

Interval one(Number number) {
    return {number, number};
}

Interval one(const char* address) {
    return one(number_of(*IpAddress::parse(address)));
}

std::string text(const Interval& interval) {
    return std::to_string(static_cast<std::uint64_t>(interval.first)) + "-" +
           std::to_string(static_cast<std::uint64_t>(interval.last));
}

/// One line each: "22-65535 BYPASSALLIN": what differs in `dimension`, and the matches.
std::string shown(const std::vector<Policy>& policies, const Question& question, Dimension dimension) {
    const auto pieces = policy::test(policies, question);
    if (!pieces) {
        return std::string(pieces.error().reason);
    }
    std::string lines;
    for (const Piece& piece : *pieces) {
        lines += text(piece.packets.at(static_cast<std::size_t>(dimension)));
        for (const std::size_t place : piece.matches) {
            lines += " " + policies.at(place).name;
        }
        lines += "\n";
    }
    return lines;
}

Box everything(Family family) {
    Box box;
    for (std::size_t dimension = 0; dimension < kDimensions; ++dimension) {
        box.at(dimension) = whole(static_cast<Dimension>(dimension), family);
    }
    return box;
}

bool inside(const Box& packet, const Box& box) {
    for (std::size_t i = 0; i < kDimensions; ++i) {
        if (packet.at(i).first < box.at(i).first || packet.at(i).last > box.at(i).last) {
            return false;
        }
    }
    return true;
}

}  // namespace

TEST_SUITE_BEGIN("policy tester");

TEST_CASE("TEST_PROTECTFTP, as the manual prints it") {
    const auto policies = seed_policies();
    const Question question{.direction = Direction::in,
                            .family = Family::ipv6,
                            .packets = {one(IPPROTO_TCP), one("FEC0::2222:A00:BFF:FE3A:100"),
                                        one("FEC0::2222:A00:BFF:FE3A:127"), one(500), Interval{1, 65535}}};
    CHECK(shown(policies, question, Dimension::remote_port) ==
          "1-19 BYPASSALLIN\n20-21 PROTECTFTPIN BYPASSALLIN\n22-65535 BYPASSALLIN\n");
}

TEST_CASE("what no policy fits is a piece without matches") {
    auto policies = seed_policies();
    policies.pop_back();
    const Question question{.direction = Direction::in,
                            .family = Family::ipv6,
                            .packets = {one(IPPROTO_TCP), one("fec0::1"), one("FEC0::2222:A00:BFF:FE3A:127"),
                                        one(500), Interval{1, 65535}}};
    CHECK(shown(policies, question, Dimension::remote_port) == "1-19\n20-21 PROTECTFTPIN\n22-65535\n");
}

TEST_CASE("protocols are cut, too") {
    const auto policies = seed_policies();
    Question question{.direction = Direction::out, .family = Family::ipv6, .packets = everything(Family::ipv6)};
    question.packets.at(static_cast<std::size_t>(Dimension::remote_address)) = one("fec0::9");
    CHECK(shown(policies, question, Dimension::protocol) ==
          "0-57 BYPASSALLOUT\n58-58 ALLOWICMPV6OUT BYPASSALLOUT\n59-255 BYPASSALLOUT\n");
}

TEST_CASE("too many pieces are an error") {
    std::vector<Policy> policies;
    for (std::uint16_t i = 0; i < 100; ++i) {
        const auto port = static_cast<std::uint16_t>(1000 + 2 * i);
        policies.push_back({.name = std::to_string(i), .protocol = IPPROTO_TCP, .local_ports = {{port, port}}});
        policies.push_back({.name = std::to_string(i), .protocol = IPPROTO_TCP, .remote_ports = {{port, port}}});
    }
    const Question question{.direction = Direction::out, .family = Family::ipv4, .packets = everything(Family::ipv4)};
    CHECK(shown(policies, question, Dimension::protocol) == "test-too-wide");
}

TEST_CASE("addresses there and back") {
    for (const char* each : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "2001:db8::1",
                             "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}) {
        const IpAddress address = *IpAddress::parse(each);
        CHECK(address_of(number_of(address), address.family()) == address);
    }
}

TEST_CASE("random sets: the pieces do not overlap, miss nothing, and say what a loop over the policies says") {
    std::mt19937 random(20261122);  // NOLINT(cert-msc51-cpp): the same each time
    const auto number = [&](std::uint32_t most) {
        return std::uniform_int_distribution<std::uint32_t>(0, most)(random);
    };
    const auto address = [](std::uint32_t value) { return *IpAddress::from_octets(Writer().be(value).view()); };
    for (int round = 0; round < 50; ++round) {
        std::vector<Policy> policies(6);
        for (Policy& each : policies) {
            const std::uint32_t first = number(15);
            each.remote = {{address(first), address(first + number(15 - first))}};
            if (number(1) == 1) {
                each.protocol = number(1) == 1 ? IPPROTO_TCP : IPPROTO_UDP;
                const auto port = static_cast<std::uint16_t>(number(7));
                each.local_ports = {{port, static_cast<std::uint16_t>(port + number(3))}};
            }
        }
        const auto pieces = policy::test(
            policies, {.direction = Direction::out, .family = Family::ipv4, .packets = everything(Family::ipv4)});
        REQUIRE(pieces);
        for (int i = 0; i < 200; ++i) {
            const Box packet{one(Number{number(1) == 1 ? 6U : 17U}), one(Number{0}), one(Number{number(31)}),
                             one(Number{number(15)}), one(Number{number(65535)})};
            std::vector<std::size_t> expected;
            for (std::size_t place = 0; place < policies.size(); ++place) {
                bool fits = true;
                for (std::size_t d = 0; d < kDimensions; ++d) {
                    const auto intervals = intervals_of(policies[place], static_cast<Dimension>(d), Family::ipv4);
                    fits = fits && std::ranges::any_of(intervals, [&](const Interval& each) {
                               return each.first <= packet.at(d).first && packet.at(d).last <= each.last;
                           });
                }
                if (fits) {
                    expected.push_back(place);
                }
            }
            int hits = 0;
            for (const Piece& piece : *pieces) {
                if (inside(packet, piece.packets)) {
                    ++hits;
                    CHECK(piece.matches == expected);
                }
            }
            CHECK(hits == 1);
        }
    }
}

TEST_SUITE_END();
