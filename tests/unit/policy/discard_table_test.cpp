#include <doctest/doctest.h>
#include <netinet/in.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <variant>

#include "policy/discard_rules.hpp"
#include "policy/kernel_entries.hpp"

using namespace keysluice;
using namespace keysluice::policy;
namespace nft = keysluice::netlink::nft;

namespace {

struct Packet {
    Direction direction = Direction::in;
    Family family = Family::ipv4;
    Box numbers = {};  ///< each dimension's as first

    [[nodiscard]] Number at(Dimension dimension) const { return numbers[static_cast<std::size_t>(dimension)].first; }
    [[nodiscard]] Number at(nft::Field field) const {
        const bool in = direction == Direction::in;
        switch (field) {
            case nft::Field::protocol:
                return at(Dimension::protocol);
            case nft::Field::source_address:
                return at(in ? Dimension::remote_address : Dimension::local_address);
            case nft::Field::destination_address:
                return at(in ? Dimension::local_address : Dimension::remote_address);
            case nft::Field::source_port:
                return at(in ? Dimension::remote_port : Dimension::local_port);
            case nft::Field::destination_port:
                return at(in ? Dimension::local_port : Dimension::remote_port);
            case nft::Field::icmp_type:
                return at(Dimension::local_port);
            case nft::Field::icmp_code:
                return at(Dimension::remote_port);
        }
        std::unreachable();
    }
};

/// Does what nftables does with a table, for one packet.
class Machine {
   public:
    explicit Machine(const DiscardTable& table) {
        for (const std::string& each : table.chains) {
            REQUIRE(chains_.try_emplace(each).second);
        }
        chains_.try_emplace(std::string(kInputChain));
        chains_.try_emplace(std::string(kOutputChain));
        for (const nft::Rule& each : table.rules) {
            REQUIRE(chains_.contains(each.chain));
            chains_[each.chain].push_back(&each);
        }
    }

    /// The counter that counts it.
    std::optional<std::string> run(const Packet& packet) {
        packet_ = packet;
        counted_.reset();
        rules_ = 0;
        static_cast<void>(run_chain(std::string(packet.direction == Direction::in ? kInputChain : kOutputChain)));
        return counted_;
    }
    [[nodiscard]] unsigned rules() const { return rules_; }

   private:
    enum class After { next_rule, end_of_chain, dropped };

    After run_chain(const std::string& chain) {
        REQUIRE(chains_.contains(chain));
        for (const nft::Rule* const rule : chains_[chain]) {
            if (const After after = run_rule(*rule); after != After::next_rule) {
                return after == After::dropped ? after : After::next_rule;
            }
        }
        return After::next_rule;
    }

    After run_rule(const nft::Rule& rule) {
        ++rules_;
        for (const nft::Step& step : rule.steps) {
            if (const auto* const family = std::get_if<nft::OfFamily>(&step)) {
                if (family->family != packet_.family) {
                    return After::next_rule;
                }
            } else if (const auto* const fits = std::get_if<nft::Fits>(&step)) {
                if (!std::ranges::any_of(fits->any_of, [&](const nft::Interval& each) {
                        return each.first <= packet_.at(fits->field) && packet_.at(fits->field) <= each.last;
                    })) {
                    return After::next_rule;
                }
            } else if (const auto* const dispatch = std::get_if<nft::Dispatch>(&step)) {
                for (const nft::Branch& each : dispatch->chains) {
                    if (each.part.first <= packet_.at(dispatch->field) &&
                        packet_.at(dispatch->field) <= each.part.last) {
                        return run_chain(each.chain);
                    }
                }
                return After::next_rule;
            } else if (const auto* const count = std::get_if<nft::Count>(&step)) {
                CHECK_FALSE(counted_);
                counted_ = count->counter;
            } else if (const auto* const verdict = std::get_if<nft::Verdict>(&step)) {
                return *verdict == nft::Verdict::drop ? After::dropped : After::end_of_chain;
            } else if (const auto* const to = std::get_if<nft::Goto>(&step)) {
                return run_chain(to->chain) == After::dropped ? After::dropped : After::end_of_chain;
            } else if (!std::holds_alternative<nft::BoundFor>(step)) {
                return After::next_rule;  // a fragment, from loopback, by an SA, or too many
            }
        }
        return After::next_rule;
    }

    std::map<std::string, std::vector<const nft::Rule*>> chains_;
    Packet packet_;
    std::optional<std::string> counted_;
    unsigned rules_ = 0;
};

bool fits(const Policy& policy, const Packet& packet) {
    return std::ranges::all_of(
        std::array{Dimension::protocol, Dimension::local_address, Dimension::remote_address, Dimension::local_port,
                   Dimension::remote_port},
        [&](Dimension each) {
            return std::ranges::any_of(intervals_of(policy, each, packet.family), [&](const Interval& interval) {
                return interval.first <= packet.at(each) && packet.at(each) <= interval.last;
            });
        });
}

/// Nothing where the kernel's policies discard nothing.
std::optional<std::string> expected(const std::vector<Policy>& policies, const Packet& packet) {
    for (const Policy& each : policies) {
        if (each.direction == packet.direction && fits(each, packet)) {
            return counts_discards(each) ? std::optional(discard_label(each)) : std::nullopt;
        }
    }
    return std::nullopt;
}

class Dice {
   public:
    std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_()) % limit; }
    template <typename Choices>
    auto one_of(const Choices& choices) {
        return choices[below(static_cast<std::uint32_t>(std::size(choices)))];
    }
    Number number(Dimension dimension, Family family) {
        switch (dimension) {
            case Dimension::protocol:
                return one_of(std::array{IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_GRE});
            case Dimension::local_address:
            case Dimension::remote_address:
                return number_of(*IpAddress::parse(family == Family::ipv4 ? "10.0.0.0" : "fd00::")) + below(60);
            case Dimension::local_port:
            case Dimension::remote_port:
                return one_of(std::array{0U, 65535U, below(40), below(40), 65530 + below(6)});
        }
        std::unreachable();
    }
    Packet packet() {
        Packet made{.direction = below(2) == 0 ? Direction::in : Direction::out,
                    .family = below(2) == 0 ? Family::ipv4 : Family::ipv6};
        for (std::size_t each = 0; each < kDimensions; ++each) {
            const Number value = number(static_cast<Dimension>(each), made.family);
            made.numbers[each] = {value, value};
        }
        return made;
    }
    std::vector<AddressRange> addresses() {
        std::vector<AddressRange> ranges(below(3));
        for (AddressRange& each : ranges) {
            const Family family = below(2) == 0 ? Family::ipv4 : Family::ipv6;
            const Number first = number(Dimension::local_address, family);
            each = {address_of(first, family), address_of(first + one_of(std::array{0U, 0U, below(50)}), family)};
        }
        return ranges;
    }
    std::vector<PortRange> ports() {
        std::vector<PortRange> ranges(below(2) == 0 ? 0 : below(7));
        for (PortRange& each : ranges) {
            each.first = static_cast<std::uint16_t>(number(Dimension::local_port, Family::ipv4));
            each.last = static_cast<std::uint16_t>(std::min(65535U, each.first + below(4)));
        }
        return ranges;
    }
    Policy policy(std::size_t place) {
        Policy made{.name = "P" + std::to_string(place),
                    .direction = below(2) == 0 ? Direction::in : Direction::out,
                    .disposition = one_of(std::array{Disposition::bypass, Disposition::discard, Disposition::discard,
                                                     Disposition::protect}),
                    .local = addresses(),
                    .remote = addresses()};
        if (below(4) != 0) {
            made.protocol = static_cast<std::uint8_t>(number(Dimension::protocol, Family::ipv4));
        }
        if (made.protocol && (has_ports(*made.protocol) || is_icmp(*made.protocol))) {
            made.local_ports = ports();
            made.remote_ports = ports();
        }
        return made;
    }

   private:
    std::mt19937 random_{6};
};

}  // namespace

TEST_SUITE_BEGIN("discard table");

TEST_CASE("for any policies and packets, the counter of the first match that discards counts") {
    Dice dice;
    unsigned counted = 0;
    for (unsigned round = 0; round < 60; ++round) {
        CAPTURE(round);
        std::vector<Policy> policies;
        for (std::size_t size = dice.one_of(std::array{3U, 20U, 60U, 400U}); policies.size() < size;) {
            policies.push_back(dice.policy(policies.size()));
        }
        const DiscardTable table = discard_table(policies, {});
        Machine machine(table);
        for (unsigned sent = 0; sent < 300; ++sent) {
            Packet packet = dice.packet();
            if (packet.at(Dimension::protocol) == IPPROTO_ICMP) {  // type and code have a byte each
                packet.numbers[3].first %= 256;
                packet.numbers[4].first %= 256;
            }
            const auto found = machine.run(packet);
            counted += found ? 1U : 0U;
            // What goes out is judged here only where a policy discards it.
            const auto wanted = expected(policies, packet);
            if (packet.direction == Direction::in || wanted) {
                REQUIRE(found.value_or("none") == wanted.value_or("none"));
            }
        }
    }
    CHECK(counted > 3000);
}

TEST_CASE("a packet meets few rules of ten thousand policies, and the table grows with them only") {
    std::vector<Policy> policies;
    for (std::uint32_t number = 0; number < 10'000; ++number) {
        const IpAddress host = address_of(number_of(*IpAddress::parse("172.16.0.0")) + number, Family::ipv4);
        policies.push_back({.name = std::to_string(number),
                            .direction = Direction::in,
                            .disposition = number % 2 == 0 ? Disposition::discard : Disposition::bypass,
                            .remote = {{host, host}},
                            .protocol = IPPROTO_UDP,
                            .local_ports = {{80, 80}, {443, 443}}});
        if (number % 2'000 == 0) {
            policies.push_back({.name = "any" + std::to_string(number),
                                .direction = Direction::in,
                                .disposition = Disposition::discard,
                                .protocol = IPPROTO_UDP,
                                .local_ports = {{10, 10}}});
        }
    }
    const DiscardTable table = discard_table(policies, {});
    CHECK(table.rules.size() < 6 * policies.size());
    Machine machine(table);
    Packet packet;
    const auto set = [&packet](Dimension dimension, Number value) {
        packet.numbers[static_cast<std::size_t>(dimension)] = {value, value};
    };
    set(Dimension::protocol, IPPROTO_UDP);
    set(Dimension::remote_address, number_of(*IpAddress::parse("172.16.18.86")));
    set(Dimension::local_port, 443);
    CHECK(machine.run(packet) == "in." + std::to_string(18 * 256 + 86));
    CHECK(machine.rules() < 60);
    set(Dimension::local_port, 10);
    CHECK(machine.run(packet) == "in.any0");
    CHECK(machine.rules() < 60);
}

TEST_CASE("what policies don't see is left alone") {
    const std::vector<std::uint16_t> own{500};
    const DiscardTable table = discard_table(
        std::vector{Policy{.name = "A", .direction = Direction::in, .disposition = Disposition::discard}}, own);
    Machine machine(table);
    const auto counted = [&machine](std::uint8_t protocol, std::uint16_t port, Family family) {
        Packet packet{.family = family};
        packet.numbers[0] = {protocol, protocol};
        packet.numbers[3] = {port, port};
        return machine.run(packet).has_value();
    };
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        CHECK(counted(IPPROTO_UDP, 501, family));
        CHECK(counted(IPPROTO_TCP, 500, family));
        CHECK_FALSE(counted(IPPROTO_UDP, 500, family));
        CHECK_FALSE(counted(IPPROTO_ESP, 0, family));
        CHECK_FALSE(counted(IPPROTO_AH, 0, family));
        CHECK(counted(IPPROTO_GRE, 0, family));
    }
}

TEST_CASE("which policies count") {
    const auto counts = [](Direction direction, Disposition disposition) {
        return counts_discards({.name = "A", .direction = direction, .disposition = disposition});
    };
    CHECK(counts(Direction::in, Disposition::discard));
    CHECK(counts(Direction::out, Disposition::discard));
    CHECK(counts(Direction::in, Disposition::protect));
    CHECK_FALSE(counts(Direction::out, Disposition::protect));
    CHECK_FALSE(counts(Direction::in, Disposition::bypass));
    CHECK(discard_label({.name = "A.b-c", .direction = Direction::in}) == "in.A.b-c");
    CHECK(discard_label({.name = "A", .direction = Direction::out}) == "out.A");
}

TEST_CASE("drained, what goes out has a template instead of a block, and what comes in has not") {
    const std::vector<Policy> policies{
        {.name = "A", .direction = Direction::out, .disposition = Disposition::discard},
        {.name = "B", .direction = Direction::in, .disposition = Disposition::discard},
        {.name = "C", .direction = Direction::out, .protocol = IPPROTO_TCP},
    };
    const auto blocked = kernel_entries(policies);
    const auto drained = kernel_entries(policies, Discards::drained);
    REQUIRE((blocked && drained));
    REQUIRE(drained->size() == 6);
    for (std::size_t each = 0; each < 6; ++each) {
        const xfrm::Policy& policy = (*drained)[each].policy;
        if (each < 2) {
            CHECK(policy.action == xfrm::Action::allow);
            REQUIRE(policy.templates.size() == 1);
            CHECK(policy.templates.front() == drain());
            CHECK(policy.templates.front().level == xfrm::Level::required);
            CHECK((*blocked)[each].policy.action == xfrm::Action::block);
            CHECK((*blocked)[each].policy.templates.empty());
        } else {
            CHECK(policy == (*blocked)[each].policy);
        }
    }
    const xfrm::Sa sa = drain_sa({});
    CHECK(sa.reqid == drain().reqid);
    CHECK(sa.source == drain().source);
    CHECK(sa.id().destination == drain().destination);
    CHECK(sa.source.text() == "ff01::7");
}

TEST_SUITE_END();
