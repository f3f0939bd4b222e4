#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/control/named_keys.hpp"
#include "daemon/control/policy_set.hpp"
#include "xfrm/sa.hpp"

namespace keysluice::control {

/// Keys by name.
using KeyRing = std::map<std::string, NamedKey>;

/// All keys that a set names.
struct LoadedKeys {
    KeyRing ring;
    /// What is wrong has the place where the key is named: the errors of NamedKeys::read(), and `key-kind` where a
    /// key is for another algorithm.
    Diagnostics wrong;
    /// Policies that lack one: there can be no SA of theirs.
    std::set<xfrm::ReqId> without;
};
[[nodiscard]] LoadedKeys load_keys(const PolicySet& set, const NamedKeys& keys);

/// The SAs that the policy of a ManualSa needs on a host that has these addresses: one to send with, or one for each
/// address that packets may come to. The keys are in the ring, and fit.
///
/// Nobody checks for repetitions of packets. RFC 4303 section 3.3.3: "If the key used to compute an ICV is manually
/// distributed, a compliant implementation SHOULD NOT provide anti-replay service."
[[nodiscard]] std::vector<xfrm::Sa> manual_sas(const ListedPolicy& listed, const KeyRing& keys,
                                               const std::set<IpAddress>& own);

}  // namespace keysluice::control
