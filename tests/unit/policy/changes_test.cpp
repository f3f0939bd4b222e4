#include "policy/changes.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>

#include "policy/kernel_entries.hpp"
#include "policy/priorities.hpp"
#include "tests/support/policy_dice.hpp"

using namespace keysluice;
using namespace keysluice::policy;
using namespace keysluice::test;

namespace {

/// The kernel's SPD.
class Database {
   public:
    void put(const xfrm::Policy& policy) { policies_.insert_or_assign(policy.id(), policy); }
    void remove(const xfrm::PolicyId& id) { REQUIRE(policies_.erase(id) == 1); }

    /// What becomes of the packet; of policies that have the same priority any may be meant, so all must agree.
    [[nodiscard]] std::string outcome(const Packet& packet) const {
        const xfrm::Policy* first = nullptr;
        for (const auto& [id, each] : policies_) {
            if (fits(each.selector, packet) && (first == nullptr || each.priority < first->priority)) {
                first = &each;
            }
        }
        return first == nullptr ? "none" : shown(*first);
    }
    [[nodiscard]] bool holds(const std::vector<xfrm::Policy>& all) const {
        return policies_.size() == all.size() && std::ranges::all_of(all, [this](const xfrm::Policy& each) {
                   const auto found = policies_.find(each.id());
                   return found != policies_.end() && found->second == each;
               });
    }

   private:
    static std::string shown(const xfrm::Policy& policy) {
        return policy.action == xfrm::Action::block ? "discard" : policy.templates.empty() ? "bypass" : "protect";
    }
    static bool covers(const Prefix& prefix, const IpAddress& address) {
        return prefix.first().family() == address.family() && prefix.first() <= address && address <= prefix.last();
    }
    static bool covers(const xfrm::PortMask& mask, std::uint16_t port) { return (port & mask.mask) == mask.port; }
    static bool fits(const xfrm::Selector& selector, const Packet& packet) {
        return covers(selector.source, packet.local) && covers(selector.destination, packet.remote) &&
               (selector.protocol == 0 || selector.protocol == packet.protocol) &&
               covers(selector.source_port, packet.local_port) &&
               covers(selector.destination_port, packet.remote_port);
    }

    std::map<xfrm::PolicyId, xfrm::Policy> policies_;
};

xfrm::Transaction changes(const std::vector<xfrm::Policy>& before, const std::vector<xfrm::Policy>& after) {
    xfrm::Transaction steps;
    add_changes(before, after, steps);
    return steps;
}

struct Set {
    std::vector<Policy> policies;
    std::vector<xfrm::Policy> entries;

    void complete(Dice& dice) {
        std::vector<std::uint32_t> before(policies.size());
        std::ranges::transform(policies, before.begin(), &Policy::priority);
        const auto numbers = place_priorities(before);
        for (std::size_t i = 0; i < policies.size(); ++i) {
            policies[i].priority = numbers[i];
        }
        entries.clear();
        std::vector<Policy> all = policies;
        const auto rest = policies_for(dice.one_in(2) ? Otherwise::ipv6_only : Otherwise::deny_all);
        all.insert(all.end(), rest.begin(), rest.end());
        const auto made = kernel_entries(all);
        REQUIRE(made);
        for (const KernelEntry& each : *made) {
            if (each.policy.direction == xfrm::Direction::out) {
                entries.push_back(each.policy);
            }
        }
    }
    Policy& any(Dice& dice) { return policies[dice.below(static_cast<unsigned>(policies.size()))]; }
};

Policy random_policy(Dice& dice) {
    Policy made = dice.policy(0);
    made.disposition = static_cast<Disposition>(dice.below(3));
    made.protection.reqid = {};
    return made;
}

/// Some go, some come, some change, some change places.
Set changed(Set set, Dice& dice) {
    for (unsigned i = 0; i < dice.below(6); ++i) {
        switch (dice.below(4)) {
            case 0:
                set.any(dice).disposition = static_cast<Disposition>(dice.below(3));
                break;
            case 1:
                std::swap(set.any(dice), set.any(dice));
                break;
            case 2:
                set.any(dice) = random_policy(dice);
                break;
            case 3:
                set.any(dice).remote_ports.clear();
                break;
        }
    }
    set.complete(dice);
    return set;
}

}  // namespace

TEST_SUITE_BEGIN("changes of policies");

TEST_CASE("nothing is to be done where nothing changes") {
    Dice dice(1);
    Set set{.policies = {random_policy(dice), random_policy(dice)}, .entries = {}};
    set.complete(dice);
    const auto none = changes(set.entries, set.entries);
    CHECK(none.additions().empty());
    CHECK(none.removals().empty());
}

TEST_CASE("after each step a packet meets what it meets in the old set or in the new one") {
    const unsigned seed = std::random_device{}();
    INFO("seed ", seed);
    Dice dice(seed);
    Set now{.policies = {}, .entries = {}};
    for (int i = 0; i < 8; ++i) {
        now.policies.push_back(random_policy(dice));
    }
    now.complete(dice);
    int differing = 0;
    for (int round = 0; round < 300; ++round) {
        const Set next = changed(now, dice);
        Database database;
        for (const xfrm::Policy& each : now.entries) {
            database.put(each);
        }
        std::vector<Packet> packets(40);
        std::ranges::generate(packets, [&] { return dice.packet(); });
        const auto outcomes = [&] {
            std::vector<std::string> all(packets.size());
            std::ranges::transform(packets, all.begin(), [&](const Packet& each) { return database.outcome(each); });
            return all;
        };
        const auto before = outcomes();
        Database wanted;
        for (const xfrm::Policy& each : next.entries) {
            wanted.put(each);
        }
        const auto check = [&] {
            for (std::size_t i = 0; i < packets.size(); ++i) {
                const std::string outcome = database.outcome(packets[i]);
                const std::string after = wanted.outcome(packets[i]);
                differing += before[i] != after ? 1 : 0;
                INFO("round ", round, ", packet ", packets[i].text(), ": ", before[i], " to ", after);
                REQUIRE((outcome == before[i] || outcome == after));
            }
        };
        const xfrm::Transaction steps = changes(now.entries, next.entries);
        for (const auto& each : steps.additions()) {
            const auto* const replacement = std::get_if<xfrm::Transaction::Replacement>(&each);
            database.put(replacement == nullptr ? std::get<xfrm::Policy>(each) : replacement->policy);
            check();
        }
        for (const auto& each : steps.removals()) {
            if (const auto* const id = std::get_if<xfrm::PolicyId>(&each)) {
                database.remove(*id);
            } else {
                database.put(std::get<xfrm::Policy>(each));
            }
            check();
        }
        REQUIRE(database.holds(next.entries));
        now = next;
    }
    CHECK(differing > 0);
}

TEST_SUITE_END();
