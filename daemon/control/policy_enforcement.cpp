#include "daemon/control/policy_enforcement.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <ranges>
#include <span>
#include <utility>

#include "daemon/control/listed_children.hpp"
#include "daemon/control/translation.hpp"
#include "policy/changes.hpp"

namespace keysluice::control {
namespace {

template <typename... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};

/// The names by which the kernel shows an SA's algorithms.
struct AlgorithmNames {
    std::string_view cipher;
    std::string_view authentication;
};

AlgorithmNames names_of(const xfrm::Algorithms& algorithms) {
    return std::visit(
        Overloaded{
            [](const xfrm::Aead& aead) { return AlgorithmNames{aead.name, {}}; },
            [](const xfrm::Classic& classic) { return AlgorithmNames{classic.cipher.name, classic.auth.name}; },
            [](const xfrm::Authentication& auth) { return AlgorithmNames{{}, auth.name}; },
        },
        algorithms);
}

bool is_same(const xfrm::SaState& held, const xfrm::Sa& wanted) {
    const AlgorithmNames names = names_of(wanted.algorithms);
    return held.reqid == wanted.reqid && held.mode == wanted.mode && held.algorithm == names.cipher &&
           held.authentication == names.authentication &&
           (held.source == wanted.source || (held.source.unspecified() && wanted.source.unspecified()));
}

template <typename Values, typename Id>
auto index_by(const Values& values, Id id) {
    std::map<std::invoke_result_t<Id, decltype(*values.begin())>, decltype(&*values.begin())> index;
    for (const auto& each : values) {
        index.emplace(id(each), &each);
    }
    return index;
}

bool is_negotiated(const ListedPolicy& listed) {
    return std::holds_alternative<NegotiatedSa>(listed.by);
}

constexpr auto kIdOfState = [](const xfrm::PolicyState& each) { return each.policy.id(); };
constexpr auto kIdOfPolicy = [](const xfrm::Policy& each) { return each.id(); };
constexpr auto kIdOfSa = [](const xfrm::Sa& each) { return each.id(); };
constexpr auto kIdOfSaState = [](const xfrm::SaState& each) { return each.id; };

}  // namespace

std::vector<policy::Policy> counted_rules(const PolicySet& set) {
    auto rules = set.rules();
    for (std::size_t i = 0; i < set.policies.size(); ++i) {
        // What comes in is told from what a CHILD SA lets in by its protection; what goes out to the drain is not for
        // one.
        if (rules[i].direction == policy::Direction::out && is_negotiated(set.policies[i])) {
            rules[i].disposition = policy::Disposition::discard;
        }
    }
    for (policy::Policy& each : std::span(rules).subspan(set.policies.size())) {
        each.name += each.remote.front().first.family() == Family::ipv4 ? ".ipv4" : ".ipv6";
    }
    return rules;
}

Result<KernelShare> kernel_share(const PolicySet& set, const LoadedKeys& keys, const std::set<IpAddress>& own,
                                 policy::Discards discards) {
    auto rules = set.rules();
    for (std::size_t i = 0; i < set.policies.size(); ++i) {
        // Policies that lead into CHILD SAs stand in front of it while there are any (ListedChildren).
        if (is_negotiated(set.policies[i])) {
            rules[i].disposition = policy::Disposition::discard;
        }
    }
    auto entries = policy::kernel_entries(rules, discards);
    if (!entries) {
        return std::unexpected(std::move(entries).error());
    }
    KernelShare share;
    share.policies.reserve(entries->size());
    for (policy::KernelEntry& each : *entries) {
        each.policy.selector.user = kUserOfList;
        share.policies.push_back(std::move(each.policy));
    }
    for (const ListedPolicy& each : set.policies) {
        if (!keys.without.contains(each.rule.protection.reqid)) {
            std::ranges::move(manual_sas(each, keys.ring, own), std::back_inserter(share.sas));
        }
    }
    return share;
}

Result<KernelHoldings> kernel_holdings(Databases& databases) {
    auto policies = databases.policies();
    auto sas = policies ? databases.sas() : std::unexpected(policies.error());
    if (!sas) {
        return std::unexpected(std::move(sas).error());
    }
    KernelHoldings holdings;
    for (xfrm::PolicyState& each : *policies) {
        if (each.policy.selector.user == kUserOfList) {
            holdings.policies.push_back(std::move(each));
        } else if (is_ours(each.policy) && each.policy.direction != xfrm::Direction::fwd) {
            holdings.children.push_back(std::move(each.policy));
        }
    }
    std::erase_if(*sas, [](const xfrm::SaState& each) { return !is_manual(each.reqid) || each.id.spi.value == 0; });
    holdings.sas = *std::move(sas);
    return holdings;
}

Differences compare(const KernelHoldings& holdings, const KernelShare& share) {
    Differences found;
    const auto held = index_by(holdings.policies, kIdOfState);
    for (const xfrm::Policy& each : share.policies) {
        const auto there = held.find(each.id());
        if (there == held.end()) {
            found.missing.push_back(&each);
        } else if (there->second->policy != each) {
            found.different.push_back(&each);
        }
    }
    const auto wanted = index_by(share.policies, kIdOfPolicy);
    for (const xfrm::PolicyState& each : holdings.policies) {
        if (!wanted.contains(each.policy.id())) {
            found.surplus.push_back(&each);
        }
    }
    const auto held_sas = index_by(holdings.sas, kIdOfSaState);
    for (const xfrm::Sa& each : share.sas) {
        const auto there = held_sas.find(each.id());
        if (there == held_sas.end()) {
            found.missing_sas.push_back(&each);
        } else if (!is_same(*there->second, each)) {
            found.different_sas.push_back(&each);
        }
    }
    const auto wanted_sas = index_by(share.sas, kIdOfSa);
    for (const xfrm::SaState& each : holdings.sas) {
        if (!wanted_sas.contains(each.id)) {
            found.surplus_sas.push_back(&each);
        }
    }
    return found;
}

Result<void> enforce(Databases& databases, const KernelHoldings& holdings, KernelShare share,
                     const std::set<xfrm::SaId>& anew, std::set<xfrm::SaId>* leaving) {
    std::set<xfrm::SaId> wanted;  // additions
    std::set<xfrm::ReqId> succeeded;
    std::ranges::transform(share.sas, std::inserter(succeeded, succeeded.end()), &xfrm::Sa::reqid);
    xfrm::Transaction first;
    xfrm::Transaction changes;
    const Differences found = compare(holdings, share);
    for (const xfrm::Sa* each : found.missing_sas) {
        wanted.insert(each->id());
    }
    // The kernel has room for one SA of an SPI only: there is a moment without.
    const auto make_again = [&](const xfrm::Sa& each) {
        if (wanted.insert(each.id()).second) {
            first.remove(each.id());
        }
    };
    std::ranges::for_each(found.different_sas, [&](const xfrm::Sa* each) { make_again(*each); });
    for (const xfrm::Sa& each : share.sas) {
        if (anew.contains(each.id())) {
            make_again(each);
        }
    }
    for (xfrm::Sa& each : share.sas) {
        if (wanted.contains(each.id())) {
            changes.add(std::move(each));
        }
    }
    std::vector<xfrm::Policy> before = holdings.children;
    std::ranges::transform(holdings.policies, std::back_inserter(before), &xfrm::PolicyState::policy);
    std::vector<xfrm::Policy> after = std::move(share.children);
    std::ranges::move(share.policies, std::back_inserter(after));
    policy::add_changes(before, after, changes);
    for (const xfrm::SaState* each : found.surplus_sas) {
        if (leaving != nullptr && succeeded.contains(each->reqid)) {
            leaving->insert(each->id);
        } else {
            changes.remove(each->id);
        }
    }
    if (!first.removals().empty()) {
        if (auto removed = databases.apply(first); !removed) {
            return removed;
        }
    }
    return databases.apply(changes);
}

}  // namespace keysluice::control
