#include <algorithm>
#include <utility>

#include "daemon/control/selectors.hpp"
#include "daemon/control/translate.hpp"
#include "daemon/control/translation.hpp"

// The part of Translator that concerns what an earlier process left in the kernel.

namespace keysluice::control {

Result<void> Translator::adopt(const ike::ChildSaSpec& spec, const xfrm::SaState& inbound,
                               const xfrm::SaState* outbound) {
    const auto selectors = kernel_selectors(spec.local_selectors, spec.remote_selectors);
    if (!selectors) {
        return std::unexpected(selectors.error());
    }
    xfrm::Transaction in_place;
    Child& child = children_[spec.inbound];
    child.shared = hold(kind_of(spec), inbound.reqid);
    put_inbound(in_place, child, spec, *selectors, inbound.offload);
    if (outbound != nullptr) {
        put_outbound(in_place, child, spec, *selectors, outbound->offload);
    }
    return {};
}

xfrm::Transaction Translator::settle(const Inventory& found) {
    for (const auto& [id, sa] : found.sas) {
        if (child_of(id).value == 0) {
            orphans_[sa.reqid].sas.push_back(id);
        }
    }
    xfrm::Transaction mended;
    std::set<xfrm::PolicyId> there;
    for (const xfrm::Policy& policy : found.policies) {
        there.insert(policy.id());
        const auto claims = claims_.find(policy.id());
        if (waits(policy) && is_known(policy)) {
            waiting_.insert(policy.id());  // which is in its place or not
        } else if (claims == claims_.end()) {
            claims_[policy.id()].push_back({policy, 1});
            orphans_[policy.templates.front().reqid].policies.push_back(policy);
        } else if (const xfrm::Policy& wanted = claims->second.back().policy;
                   !alike(wanted, policy) || wanted.priority != policy.priority) {
            mended.replace(wanted, policy);
        }
    }
    for (const auto& [id, claims] : claims_) {
        if (!there.contains(id) && !waits(claims.back().policy)) {
            mended.replace(claims.back().policy, {});
        }
    }
    for (const auto& [reqid, orphans] : orphans_) {
        numbers_.insert(reqid.value - kReqIdMark);
    }
    return mended;
}

/// Whether it leads into the SAs of a child that was adopted.
bool Translator::is_known(const xfrm::Policy& policy) const {
    return std::ranges::any_of(
        shared_, [&](const auto& each) { return each.second->reqid == policy.templates.front().reqid; });
}

/// Each packet that its policies lead somewhere is led into other SAs by now.
bool Translator::succeeded(const Orphans& orphans) const {
    return !orphans.policies.empty() && std::ranges::all_of(orphans.policies, [&](const xfrm::Policy& policy) {
        return !alike(claims_.at(policy.id()).back().policy, policy);
    });
}

xfrm::Transaction Translator::sweep(bool all) {
    xfrm::Transaction transaction;
    std::erase_if(orphans_, [&](const auto& each) {
        const auto& [reqid, orphans] = each;
        if (!all && !succeeded(orphans)) {
            return false;
        }
        for (const xfrm::SaId& sa : orphans.sas) {
            transaction.remove(sa);
        }
        for (const xfrm::Policy& policy : orphans.policies) {
            release(transaction, policy);
        }
        const bool shared = std::ranges::any_of(shared_, [&](const auto& one) { return one.second->reqid == reqid; });
        if (!shared) {
            numbers_.erase(reqid.value - kReqIdMark);
        }
        return true;
    });
    return transaction;
}

std::size_t Translator::orphans() const {
    std::size_t count = 0;
    for (const auto& [reqid, orphans] : orphans_) {
        count += orphans.sas.size();
    }
    return count;
}

}  // namespace keysluice::control
