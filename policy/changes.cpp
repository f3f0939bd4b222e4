#include "policy/changes.hpp"

#include <algorithm>
#include <map>
#include <vector>

namespace keysluice::policy {

namespace {

using ById = std::map<xfrm::PolicyId, const xfrm::Policy*>;

ById by_id(std::span<const xfrm::Policy> policies) {
    ById index;
    for (const xfrm::Policy& each : policies) {
        index.emplace(each.id(), &each);
    }
    return index;
}

const xfrm::Policy* find(const ById& index, const xfrm::PolicyId& id) {
    const auto found = index.find(id);
    return found == index.end() ? nullptr : found->second;
}

/// Of those that are new or changed and of those that change or go.
struct Step {
    const xfrm::Policy* before = nullptr;
    const xfrm::Policy* after = nullptr;

    [[nodiscard]] bool early() const {
        return before == nullptr || (after != nullptr && after->priority <= before->priority);
    }
};

}  // namespace

void add_changes(std::span<const xfrm::Policy> before, std::span<const xfrm::Policy> after, xfrm::Transaction& into) {
    const ById old = by_id(before);
    const ById fresh = by_id(after);
    std::vector<Step> early;
    std::vector<Step> late;
    for (const auto& [id, policy] : fresh) {
        const Step step{.before = find(old, id), .after = policy};
        if (step.before == nullptr || *step.before != *policy) {
            (step.early() ? early : late).push_back(step);
        }
    }
    for (const auto& [id, policy] : old) {
        if (!fresh.contains(id)) {
            late.push_back({.before = policy, .after = nullptr});
        }
    }
    std::ranges::sort(early, {}, [](const Step& each) { return each.after->priority; });
    std::ranges::sort(late, std::ranges::greater{}, [](const Step& each) { return each.before->priority; });
    for (const Step& each : early) {
        if (each.before == nullptr) {
            into.add(*each.after);
        } else {
            into.replace(*each.after, *each.before);
        }
    }
    for (const Step& each : late) {
        if (each.after == nullptr) {
            into.remove(each.before->id());
        } else {
            into.retreat(*each.after);
        }
    }
}

}  // namespace keysluice::policy
