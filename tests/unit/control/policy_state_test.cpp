#include "daemon/control/policy_state.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tests/support/policy_texts.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;

namespace {

PolicySet seed() {
    auto set = parse_policies(kSeedPolicies, "f");
    REQUIRE(set);
    return *std::move(set);
}

}  // namespace

TEST_SUITE_BEGIN("the committed policies");

TEST_CASE("priorities ascend, and each manual SA has a number of its own") {
    PolicySet set = seed();
    number_policies(set, {});
    CHECK(std::ranges::is_sorted(set.policies, {}, [](const ListedPolicy& each) { return each.rule.priority; }));
    std::set<std::uint32_t> reqids;
    for (const ListedPolicy& each : set.policies) {
        const bool manual = std::holds_alternative<ManualSa>(each.by);
        CHECK(is_manual(each.rule.protection.reqid) == manual);
        if (manual) {
            CHECK(reqids.insert(each.rule.protection.reqid.value).second);
        }
    }
}

TEST_CASE("who stays keeps its numbers, whatever comes and goes around it") {
    PolicySet before = seed();
    number_policies(before, {});
    PolicySet after = seed();
    after.policies.erase(after.policies.begin());
    after.policies.push_back(after.policies[1]);
    after.policies.back().rule.name = "new";
    number_policies(after, before);
    for (std::size_t i = 0; i + 1 < after.policies.size(); ++i) {
        CHECK(after.policies[i].rule.priority == before.policies[i + 1].rule.priority);
        CHECK(after.policies[i].rule.protection.reqid == before.policies[i + 1].rule.protection.reqid);
    }
    CHECK(after.policies.back().rule.priority > before.policies.back().rule.priority);
    CHECK(after.policies.back().rule.protection.reqid.value == kManualReqIdMark + 5);
}

TEST_CASE("who has other keys under the same SPI has another number, and keeps its place") {
    PolicySet before = seed();
    number_policies(before, {});
    std::string text = kSeedPolicies;
    text.replace(text.find("PRODUCTIONKEY"), 13, "OTHERKEY");
    PolicySet after = *parse_policies(text, "f");
    number_policies(after, before);
    for (std::size_t i = 0; i < after.policies.size(); ++i) {
        CAPTURE(after.policies[i].rule.name);
        const bool changed = after.policies[i].rule.name == "PROTECTFTPOUT";
        CHECK(after.policies[i].rule.priority == before.policies[i].rule.priority);
        CHECK((after.policies[i].rule.protection.reqid != before.policies[i].rule.protection.reqid) == changed);
    }
}

TEST_CASE("what is written reads the same") {
    CommittedPolicies committed{.set = seed(), .enabled = true, .returns_at = 1'795'396'767};
    number_policies(committed.set, {});
    const std::string text = write_committed(committed);
    const auto again = parse_committed(text, "g");
    REQUIRE(again);
    CHECK(again->enabled);
    CHECK(again->returns_at == committed.returns_at);
    REQUIRE(again->set.policies.size() == committed.set.policies.size());
    for (std::size_t i = 0; i < committed.set.policies.size(); ++i) {
        CHECK(again->set.policies[i].rule.priority == committed.set.policies[i].rule.priority);
        CHECK(again->set.policies[i].rule.protection == committed.set.policies[i].rule.protection);
    }
    CHECK(write_committed(*again) == text);
}

TEST_CASE("a file that is damaged is not taken for a set") {
    CHECK_FALSE(parse_committed("[[number]]\nname = 1\n", "f"));
    CHECK_FALSE(parse_committed("[[policy]]\nname = \"x\"\n", "f"));
    CHECK_FALSE(parse_committed("[state]\nenforced = \"maybe\"\n", "f"));
    CHECK(load_committed("/nonexistent/policies.toml")->has_value() == false);
}

TEST_SUITE_END();
