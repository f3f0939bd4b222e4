// What asks for SAs, and where policies stand: traps, gateways, lists.
#include <doctest/doctest.h>

#include <array>
#include <map>
#include <set>
#include <string>

#include "daemon/control/translate.hpp"
#include "daemon/control/translation.hpp"
#include "tests/support/translated.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::control::testing;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("translate");

TEST_CASE("a trap stands behind what is installed, and again when that is gone") {
    Translator translator;
    Tables tables;
    tables.carry_out(translator.trap(spec(0, 0)));
    REQUIRE(tables.policies.size() == 1);
    const xfrm::ReqId number = tables.out();
    REQUIRE(translator.wanted(number, 0) != nullptr);
    CHECK(translator.wanted(number, 0)->child == "net");
    CHECK(translator.wanted({number.value + 1}, 0) == nullptr);
    const xfrm::Policy trap = tables.policies.begin()->second;
    CHECK(trap.priority == xfrm::priority_of(trap.selector, xfrm::Purpose::trap));

    tables.carry_out(translator.install(whole(spec(1001, 2001))));
    // The SA that answers the trap has its number, which ends the kernel's waiting.
    CHECK(tables.out() == number);
    CHECK(tables.policies.size() == 3);
    tables.carry_out(translator.remove(ike::RemoveChild{spec(1001, 2001)}));
    CHECK(tables.policies.size() == 1);
    CHECK(tables.out() == number);
    tables.carry_out(translator.clear());
    CHECK(tables.empty());
}

TEST_CASE("a trap that comes later stands behind what is installed all the same") {
    Translator translator;
    Tables tables;
    tables.carry_out(translator.install(whole(spec(1001, 2001))));
    const auto before = tables.policies;
    ike::ChildSaSpec other = spec(0, 0);
    other.connection = "other";
    tables.carry_out(translator.trap(other));
    CHECK(tables.policies == before);
    tables.carry_out(translator.install(whole(spec(1002, 2002), 2001)));
    CHECK(tables.policies == before);
    tables.carry_out(translator.remove(ike::RemoveChild{spec(1001, 2001)}));
    tables.carry_out(translator.remove(ike::RemoveChild{spec(1002, 2002)}));
    REQUIRE(tables.policies.size() == 1);
    REQUIRE(translator.wanted(tables.out(), 0) != nullptr);
    CHECK(translator.wanted(tables.out(), 0)->connection == "other");
    tables.carry_out(translator.untrap_all_but({}));
    CHECK(tables.empty());
}

TEST_CASE("a trap that changes, and one that is no longer wanted") {
    Translator translator;
    Tables tables;
    ike::ChildSaSpec wanted = spec(0, 0);
    tables.carry_out(translator.trap(wanted));
    const xfrm::ReqId number = tables.out();
    CHECK(is_empty(translator.trap(wanted).value()));
    wanted.remote_selectors = {ike::parse_selector("10.3.0.0/16").value()};
    tables.carry_out(translator.trap(wanted));
    REQUIRE(tables.policies.size() == 1);
    CHECK(tables.policies.begin()->first.selector.destination == Prefix::parse("10.3.0.0/16"));
    CHECK(translator.wanted(number, 0) == nullptr);
    REQUIRE(translator.wanted(tables.out(), 0) != nullptr);
    CHECK(translator.wanted(tables.out(), 0)->remote_selectors == wanted.remote_selectors);
    ike::ChildSaSpec other = spec(0, 0);
    other.child = "other";
    tables.carry_out(translator.trap(other));
    CHECK(is_empty(translator.untrap_all_but({{"hq", "net"}, {"hq", "other"}})));
    tables.carry_out(translator.untrap_all_but({{"hq", "other"}}));
    REQUIRE(tables.policies.size() == 1);
    CHECK(translator.wanted(tables.out(), 0)->child == "other");
    tables.carry_out(translator.untrap_all_but({}));
    CHECK(tables.empty());
    CHECK(is_empty(translator.clear()));
}

TEST_CASE("from one gateway to another: one number, packets may come from both, and the later one is sent to") {
    const auto through = [](std::uint32_t inbound, std::uint32_t outbound, const char* local, const char* remote) {
        ike::ChildSaSpec made = spec(inbound, outbound);
        made.several_gateways = true;
        made.local = *IpAddress::parse(local);
        made.remote = *IpAddress::parse(remote);
        return made;
    };
    const auto first = through(1001, 2001, "192.0.2.1", "198.51.100.7");
    const auto second = through(1002, 2002, "203.0.113.1", "198.51.100.8");
    Translator translator;
    Tables tables;
    const auto out = [&] {
        for (const auto& [id, policy] : tables.policies) {
            if (id.direction == xfrm::Direction::out) {
                return policy.templates.at(0).source.text() + " > " + policy.templates.at(0).destination.text();
            }
        }
        return std::string();
    };
    const auto towards_first = through(0, 0, "192.0.2.1", "198.51.100.7");
    const auto towards_second = through(0, 0, "203.0.113.1", "198.51.100.8");
    tables.carry_out(translator.trap(towards_first));
    const xfrm::ReqId number = tables.out();
    tables.carry_out(translator.install(whole(first)));
    CHECK(out() == "192.0.2.1 > 198.51.100.7");
    // The first one dies: what it had goes, the trap stays and follows.
    tables.carry_out(translator.remove(ike::RemoveChild{first}));
    CHECK(tables.policies.size() == 1);
    tables.carry_out(translator.trap(towards_second));
    CHECK(out() == "203.0.113.1 > 198.51.100.8");
    REQUIRE(translator.wanted(number, 0) != nullptr);
    CHECK(translator.wanted(number, 0)->remote == second.remote);
    tables.carry_out(translator.install(whole(second)));
    // And back: the first stands before the second goes.
    const auto again = through(1003, 2003, "192.0.2.1", "198.51.100.7");
    tables.carry_out(translator.install(whole(again)));
    CHECK(out() == "192.0.2.1 > 198.51.100.7");
    CHECK(tables.policies.size() == 3);
    for (const auto& [id, policy] : tables.policies) {
        CHECK(policy.templates.at(0).reqid == number);
        if (id.direction != xfrm::Direction::out) {
            CHECK(policy.templates.at(0).source == IpAddress::lowest(Family::ipv4));
            CHECK(policy.templates.at(0).destination == IpAddress::lowest(Family::ipv4));
        }
    }
    tables.carry_out(translator.remove(ike::RemoveOutbound{second}));
    tables.carry_out(translator.trap(towards_first));
    tables.carry_out(translator.remove(ike::RemoveChild{second}));
    CHECK(out() == "192.0.2.1 > 198.51.100.7");
    CHECK(tables.spis() == "1003 2003");
    tables.carry_out(translator.remove(ike::RemoveChild{again}));
    CHECK(tables.policies.size() == 1);
    CHECK(out() == "192.0.2.1 > 198.51.100.7");
    tables.carry_out(translator.untrap_all_but({}));
    CHECK(tables.empty());
}

TEST_CASE("policies go where a list has their child, and come back") {
    CommittedPolicies committed{.set = {}, .enabled = true};
    for (const auto direction : {policy::Direction::in, policy::Direction::out}) {
        committed.set.policies.push_back({.rule = {.name = "hq", .direction = direction, .priority = 2'000'000},
                                          .by = NegotiatedSa{.connection = "hq", .child = "net"},
                                          .table = 0,
                                          .where = {}});
    }
    const auto listed_ones = [](const Tables& tables) {
        return std::ranges::count_if(tables.policies, [](const auto& each) {
            return each.first.selector.user == kUserOfChild && each.second.priority < 2'000'000 &&
                   each.second.priority > 1'000'000;
        });
    };
    Translator translator;
    Tables tables;
    tables.carry_out(translator.install(whole(spec(1001, 2001))));
    const auto before = tables.policies;
    CHECK(translator.child_policies().size() == 3);
    tables.carry_out(translator.follow(ListedChildren(committed), {}));
    CHECK(tables.policies.size() == 3);
    CHECK(listed_ones(tables) == 2);  // and one for what is passed on
    CHECK(is_empty(translator.follow(ListedChildren(committed), {})));

    // A successor takes its place.
    tables.carry_out(translator.install(whole(spec(1002, 2002), 2001)));
    tables.carry_out(translator.remove(ike::RemoveChild{.spec = spec(1001, 2001)}));
    CHECK(listed_ones(tables) == 2);
    tables.carry_out(translator.follow({}, {}));
    CHECK(tables.policies == before);

    // From the start.
    Translator placing{ListedChildren(committed)};
    Tables others;
    others.carry_out(placing.install(whole(spec(1001, 2001))));
    CHECK(listed_ones(others) == 0);  // the list may not be there yet
    others.carry_out(placing.follow(ListedChildren(committed), {}));
    CHECK(listed_ones(others) == 2);
    others.carry_out(placing.trap(spec(0, 0)));
    CHECK(listed_ones(others) == 2);
    others.carry_out(placing.remove(ike::RemoveChild{.spec = spec(1001, 2001)}));
    CHECK(listed_ones(others) == 1);  // the trap's
    others.carry_out(placing.clear());
    CHECK(others.empty());
    others.carry_out(placing.install(whole(spec(1003, 2003))));
    CHECK(listed_ones(others) == 2);
}

TEST_CASE("of two CHILD SAs for the same packets the later one stays in force, whatever becomes of the list") {
    CommittedPolicies committed{.set = {}, .enabled = true};
    committed.set.policies.push_back(
        {.rule = {.name = "hq", .direction = policy::Direction::out, .priority = 2'000'000},
         .by = NegotiatedSa{.connection = "hq", .child = "net"},
         .table = 0,
         .where = {}});
    Translator translator;
    Tables tables;
    tables.carry_out(translator.install(whole(spec(2000, 3000))));
    auto later = spec(1000, 4000);  // a lower SPI, and another peer
    later.remote = *IpAddress::parse("198.51.100.9");
    tables.carry_out(translator.install(whole(later)));
    const auto in_force = tables.out();
    CHECK(is_empty(translator.follow({}, {})));
    CHECK(tables.out() == in_force);
    tables.carry_out(translator.follow(ListedChildren(committed), {}));
    CHECK(tables.out() == in_force);
    tables.carry_out(translator.follow({}, {}));
    CHECK(tables.out() == in_force);
}

TEST_CASE("what was placed for a child that has gone meanwhile is taken out") {
    Translator translator;
    Tables tables;
    tables.carry_out(translator.install(whole(spec(1001, 2001))));
    const auto placed = translator.child_policies();
    const auto there = tables.policies;
    tables.carry_out(translator.remove(ike::RemoveChild{.spec = spec(1001, 2001)}));
    REQUIRE(tables.policies.empty());
    tables.policies = there;
    tables.carry_out(translator.follow({}, placed));
    CHECK(tables.policies.empty());
}

TEST_SUITE_END();
