#include "daemon/control/listed_children.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "daemon/control/selectors.hpp"
#include "policy/priorities.hpp"
#include "tests/support/policy_dice.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;

namespace {

const ChildName kNet{"hq", "net"};
constexpr xfrm::ReqId kNumber{0x4b000001};

ChildPolicy child_policy(xfrm::Direction direction, const xfrm::Selector& selector,
                         xfrm::Purpose purpose = xfrm::Purpose::installed, const ChildName& name = kNet) {
    return {.child = name,
            .purpose = purpose,
            .policy = {.direction = direction,
                       .selector = selector,
                       .priority = xfrm::priority_of(selector, purpose),
                       .templates = {{.reqid = kNumber}}}};
}

xfrm::Selector between(const char* source, const char* destination) {
    return {.source = *Prefix::parse(source), .destination = *Prefix::parse(destination)};
}

/// A list that is enforced: policies in their order, of which some are by the child.
CommittedPolicies list_of(const std::vector<policy::Policy>& rules, const std::set<std::size_t>& by_child) {
    CommittedPolicies committed{.set = {}, .enabled = true};
    for (std::size_t place = 0; place < rules.size(); ++place) {
        ListedPolicy listed{.rule = rules[place], .by = {}, .table = place, .where = {}};
        listed.rule.priority = policy::kFirstPriority + static_cast<std::uint32_t>(place) * policy::kNumbersOfOne;
        if (by_child.contains(place)) {
            listed.by = NegotiatedSa{.connection = kNet.first, .child = kNet.second};
        }
        committed.set.policies.push_back(std::move(listed));
    }
    return committed;
}

policy::AddressRange range(const char* first, const char* last) {
    return {*IpAddress::parse(first), *IpAddress::parse(last)};
}

bool contains(const std::vector<xfrm::Policy>& policies, const xfrm::Policy& one) {
    return std::ranges::find(policies, one) != policies.end();
}

bool port_fits(const xfrm::PortMask& mask, std::uint16_t port) {
    return (port & mask.mask) == mask.port;
}

bool address_fits(const Prefix& prefix, const IpAddress& address) {
    return prefix.address.family() == address.family() && prefix.first() <= address && address <= prefix.last();
}

/// As the kernel does: xfrm_selector_match().
bool fits(const xfrm::Selector& selector, const Packet& packet) {
    return address_fits(selector.source, packet.local) && address_fits(selector.destination, packet.remote) &&
           (selector.protocol == 0 || selector.protocol == packet.protocol) &&
           port_fits(selector.source_port, packet.local_port) &&
           port_fits(selector.destination_port, packet.remote_port);
}

}  // namespace

TEST_SUITE_BEGIN("children in a list of policies");

TEST_CASE("without a list, or with one that has another child, policies stay as they are") {
    const auto policy = child_policy(xfrm::Direction::out, between("10.1.0.0/16", "10.2.0.0/16"));
    CHECK(ListedChildren().place(policy) == std::vector{policy.policy});
    CommittedPolicies committed = list_of({{.name = "a", .direction = policy::Direction::out}}, {0});
    auto other = policy;
    other.child = {"hq", "other"};
    CHECK(ListedChildren(committed).place(other) == std::vector{other.policy});
    CHECK(ListedChildren(committed).place(policy) != std::vector{policy.policy});
    committed.enabled = false;
    CHECK(ListedChildren(committed).place(policy) == std::vector{policy.policy});
}

TEST_CASE("what is passed on is not what a list is about") {
    const auto policy = child_policy(xfrm::Direction::fwd, between("10.1.0.0/16", "10.2.0.0/16"));
    const ListedChildren listed(list_of({{.name = "a", .direction = policy::Direction::in}}, {0}));
    CHECK(listed.place(policy) == std::vector{policy.policy});
}

TEST_CASE("a child has its policy's place, and no other packets than that is about") {
    const ListedChildren listed(list_of({{.name = "first", .direction = policy::Direction::out},
                                         {.name = "hq",
                                          .direction = policy::Direction::out,
                                          .remote = {range("10.2.0.0", "10.2.0.255")},
                                          .protocol = std::uint8_t{IPPROTO_TCP}}},
                                        {1}));
    const auto selector = between("10.1.0.0/16", "10.2.0.0/16");
    auto placed = listed.place(child_policy(xfrm::Direction::out, selector));
    REQUIRE(placed.size() == 1);
    CHECK(placed[0].selector.destination == *Prefix::parse("10.2.0.0/24"));
    CHECK(placed[0].selector.protocol == IPPROTO_TCP);
    CHECK(placed[0].templates.at(0).reqid == kNumber);
    const std::uint32_t installed = placed[0].priority;
    placed = listed.place(child_policy(xfrm::Direction::out, selector, xfrm::Purpose::trap));
    REQUIRE(placed.size() == 1);
    const std::uint32_t trap = placed[0].priority;
    CHECK(policy::kFirstPriority < installed);
    CHECK(installed < trap);
    CHECK(trap < policy::kFirstPriority + policy::kNumbersOfOne);
    CHECK(listed.place(child_policy(xfrm::Direction::in, reversed(selector))).empty());
}

TEST_CASE("for any list, child and packet, the first policy that fits counts") {
    Dice dice(std::random_device{}());
    unsigned protected_ones = 0;
    for (int round = 0; round < 300; ++round) {
        std::vector<policy::Policy> rules;
        std::set<std::size_t> by_child{dice.below(6)};
        for (std::size_t place = 0; place < 6; ++place) {
            rules.push_back(dice.policy(place));
            if (dice.one_in(2)) {
                by_child.insert(place);
            }
        }
        const auto committed = list_of(rules, by_child);
        const ListedChildren listed(committed);
        const bool four = dice.one_in(2);
        const auto selector = four ? between("10.0.0.0/28", "10.9.0.0/28") : between("fd00::/124", "fd09::/124");
        const auto placed = listed.place(child_policy(xfrm::Direction::out, selector));
        for (int times = 0; times < 40; ++times) {
            const Packet packet = dice.packet();
            const auto first = first_match(rules, packet);
            const bool wanted = first && by_child.contains(*first) && fits(selector, packet);
            const auto best = std::ranges::min_element(placed, {}, [&](const xfrm::Policy& each) {
                return fits(each.selector, packet) ? each.priority : UINT32_MAX;
            });
            const bool any = best != placed.end() && fits(best->selector, packet);
            // What fits first in the list, or where a child's policy does, that.
            const bool taken = any && (!first || best->priority < committed.set.policies[*first].rule.priority);
            REQUIRE_MESSAGE(taken == wanted, packet.text());
            protected_ones += taken ? 1U : 0U;
        }
    }
    CHECK(protected_ones > 100);
}

TEST_CASE("only what has another place is put anew") {
    using policy::Direction;
    const auto out = between("10.1.0.0/16", "10.2.0.0/16");
    const std::vector wanted{child_policy(xfrm::Direction::out, out), child_policy(xfrm::Direction::fwd, out)};
    const policy::Policy hq{.name = "hq", .direction = Direction::out, .remote = {range("10.2.0.0", "10.2.255.255")}};
    const policy::Policy any{.name = "any", .direction = Direction::out};
    const ListedChildren nobody;
    const ListedChildren first(list_of({hq, any}, {0}));
    const ListedChildren second(list_of({any, hq}, {1}));
    auto stranger = child_policy(xfrm::Direction::out, between("10.7.0.0/16", "10.8.0.0/16")).policy;
    stranger.templates.at(0).reqid = {0x4b000009};

    const std::vector held{stranger, wanted[0].policy};
    CHECK(place_anew(held, wanted, nobody).size() == 2);
    auto listed = place_anew(held, wanted, first);
    REQUIRE(listed.size() == 2);
    CHECK(contains(listed, stranger));
    const auto& placed = listed[0] == stranger ? listed[1] : listed[0];
    CHECK(placed == first.place(wanted[0]).front());

    CHECK(contains(place_anew(listed, wanted, second), second.place(wanted[0]).front()));
    const auto back = place_anew(listed, wanted, nobody);
    CHECK(back.size() == 2);
    CHECK(contains(back, wanted[0].policy));

    // Which of two of one number the kernel has is its owner's business.
    auto other = placed;
    other.templates.at(0).reqid = {0x4b000002};
    CHECK(contains(place_anew({other}, wanted, first), other));
}

TEST_SUITE_END();
