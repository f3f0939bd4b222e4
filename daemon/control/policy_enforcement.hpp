#pragma once

#include <set>
#include <vector>

#include "daemon/control/databases.hpp"
#include "daemon/control/manual_sas.hpp"
#include "daemon/control/policy_state.hpp"
#include "policy/kernel_entries.hpp"

namespace keysluice::control {

/// What the kernel has to hold of policies.
struct KernelShare {
    std::vector<xfrm::Policy> policies;
    std::vector<xfrm::Sa> sas;
    std::vector<xfrm::Policy> children = {};  ///< in and out, which lead into IKE's CHILD SAs
};

/// What it has to hold of a set that is enforced; of policies that lack a key, no SAs, so that their packets are
/// dropped. Fails as policy::kernel_entries() does.
[[nodiscard]] Result<KernelShare> kernel_share(const PolicySet& set, const LoadedKeys& keys,
                                               const std::set<IpAddress>& own, policy::Discards discards);

/// The policies of which discards are counted, in their order. Names tell them apart, also those for packets that no
/// policy fits.
[[nodiscard]] std::vector<policy::Policy> counted_rules(const PolicySet& set);

/// What it holds of ours.
struct KernelHoldings {
    std::vector<xfrm::PolicyState> policies;
    std::vector<xfrm::SaState> sas;
    std::vector<xfrm::Policy> children = {};  ///< as KernelShare has them
};
[[nodiscard]] Result<KernelHoldings> kernel_holdings(Databases& databases);

/// Where the kernel differs: what it lacks, has beside it, and has otherwise.
struct Differences {
    std::vector<const xfrm::Policy*> missing;
    std::vector<const xfrm::Policy*> different;  ///< as they should be
    std::vector<const xfrm::PolicyState*> surplus;
    std::vector<const xfrm::Sa*> missing_sas;
    std::vector<const xfrm::Sa*> different_sas;
    std::vector<const xfrm::SaState*> surplus_sas;

    [[nodiscard]] bool none() const {
        return missing.empty() && different.empty() && surplus.empty() && missing_sas.empty() &&
               different_sas.empty() && surplus_sas.empty();
    }
};
/// Children are not compared, whose policies come and go; and neither are keys, since the kernel's are not read.
[[nodiscard]] Differences compare(const KernelHoldings& holdings, const KernelShare& share);

/// Makes the kernel hold `share` and nothing else of ours. A packet for which the old policies and the new ones agree
/// never meets anything else meanwhile (policy::add_changes()). SAs of `anew` are made again, whether they differ or
/// not: their keys do. Fails as Databases::apply(): then the policies are as they were, or partly removed, and SAs
/// that were to be made again are missing.
///
/// `leaving` gets SAs that another one of the same policy succeeds, and they stay: packets are on their way by them,
/// in this kernel and in the network. The next call without takes them out. Null: they go at once.
[[nodiscard]] Result<void> enforce(Databases& databases, const KernelHoldings& holdings, KernelShare share,
                                   const std::set<xfrm::SaId>& anew = {}, std::set<xfrm::SaId>* leaving = nullptr);

}  // namespace keysluice::control
