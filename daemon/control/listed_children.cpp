#include "daemon/control/listed_children.hpp"

#include <set>

#include "policy/kernel_entries.hpp"
#include "policy/priorities.hpp"

namespace keysluice::control {
namespace {

std::uint32_t numbers_before(xfrm::Purpose purpose) {
    return purpose == xfrm::Purpose::trap ? policy::kBeforeOfTrap : policy::kBeforeOfInstalled;
}

xfrm::Direction direction_of(const policy::Policy& rule) {
    return rule.direction == policy::Direction::in ? xfrm::Direction::in : xfrm::Direction::out;
}

using ById = std::map<xfrm::PolicyId, xfrm::Policy>;

/// Of two for the same packets the preferred one, of two of one number the later one.
ById in_force(std::span<const ChildPolicy> wanted, const ListedChildren& listed) {
    ById all;
    for (const ChildPolicy& each : wanted) {
        for (const xfrm::Policy& placed : listed.place(each)) {
            xfrm::Policy& there = all.try_emplace(placed.id(), placed).first->second;
            if (placed.priority <= there.priority) {
                there = placed;
            }
        }
    }
    return all;
}

}  // namespace

ListedChildren::ListedChildren(const CommittedPolicies& committed) {
    if (!committed.enabled) {
        return;
    }
    for (const ListedPolicy& each : committed.set.policies) {
        if (const auto* const by = std::get_if<NegotiatedSa>(&each.by)) {
            rules_[{by->connection, by->child}].push_back(each.rule);
        }
    }
}

std::vector<xfrm::Policy> ListedChildren::place(const ChildPolicy& policy) const {
    const auto found = rules_.find(policy.child);
    if (found == rules_.end() || policy.policy.direction == xfrm::Direction::fwd) {
        return {policy.policy};
    }
    std::vector<xfrm::Policy> placed;
    std::set<xfrm::Selector> taken;
    for (const policy::Policy& rule : found->second) {
        if (direction_of(rule) != policy.policy.direction) {
            continue;
        }
        for (xfrm::Selector& selector : policy::selectors_within(rule, policy.policy.selector)) {
            selector.user = kUserOfChild;
            if (taken.insert(selector).second) {
                placed.push_back(policy.policy);
                placed.back().selector = selector;
                placed.back().priority = rule.priority - numbers_before(policy.purpose);
            }
        }
    }
    return placed;
}

ListedChildren listed_children(const std::filesystem::path& state_directory) {
    const auto loaded = load_committed(state_directory / kCommittedFile);
    const std::optional<CommittedPolicies> committed = loaded.value_or(std::nullopt);
    return committed ? ListedChildren(*committed) : ListedChildren();
}

std::vector<xfrm::Policy> place_anew(const std::vector<xfrm::Policy>& held, std::span<const ChildPolicy> wanted,
                                     const ListedChildren& listed) {
    std::set<std::pair<xfrm::Direction, std::vector<xfrm::Template>>> known;
    for (const ChildPolicy& each : wanted) {
        known.emplace(each.policy.direction, each.policy.templates);
    }
    ById fresh = in_force(wanted, listed);
    for (const xfrm::Policy& each : held) {
        const auto place = fresh.find(each.id());
        if (place == fresh.end() && !known.contains({each.direction, each.templates})) {
            fresh.emplace(each.id(), each);
        } else if (place != fresh.end() && place->second.priority == each.priority) {
            place->second = each;
        }
    }
    std::vector<xfrm::Policy> all;
    for (const auto& [id, policy] : fresh) {
        if (policy.direction != xfrm::Direction::fwd) {
            all.push_back(policy);
        }
    }
    return all;
}

}  // namespace keysluice::control
