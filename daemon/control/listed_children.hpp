#pragma once

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemon/control/policy_state.hpp"
#include "xfrm/policy.hpp"

namespace keysluice::control {

/// Connection and child.
using ChildName = std::pair<std::string, std::string>;

/// A policy that leads into the SAs of a child, or asks for them, as it is where no list has the child.
struct ChildPolicy {
    ChildName child;
    xfrm::Purpose purpose = xfrm::Purpose::installed;
    xfrm::Policy policy;
};

/// Which numbers policies have among those of one selector (xfrm::Selector::user): "ks", and what they are.
inline constexpr std::uint32_t kUserOfList = 0x6b730001;
inline constexpr std::uint32_t kUserOfChild = 0x6b730002;

/// Children of IKE's connections that stand in an enforced list of policies. What leads into their CHILD SAs stands
/// in the list's place then, and is for no other packets than the list's policy is. All other children's policies
/// stand in front of the list (xfrm::priority_of()).
class ListedChildren {
   public:
    /// Nobody.
    ListedChildren() = default;
    /// Those of the set, where it is enforced.
    explicit ListedChildren(const CommittedPolicies& committed);

    /// What the kernel is to hold for this policy: it alone, or what the list has room for. A list is not about what
    /// is passed on, so policies of that direction stay as they are.
    [[nodiscard]] std::vector<xfrm::Policy> place(const ChildPolicy& policy) const;

   private:
    std::map<ChildName, std::vector<policy::Policy>> rules_;  ///< in their order
};

/// Those of what is committed in that folder. Blocks. Nobody where it can't be read: PolicyTable::start() says why.
[[nodiscard]] ListedChildren listed_children(const std::filesystem::path& state_directory);

/// What the kernel is to hold of incoming and outgoing policies of children, of which it holds `held`: the wanted
/// ones, where they are placed now. Those that lead elsewhere stay.
[[nodiscard]] std::vector<xfrm::Policy> place_anew(const std::vector<xfrm::Policy>& held,
                                                   std::span<const ChildPolicy> wanted, const ListedChildren& listed);

/// Who has the children's policies installed.
class ChildPolicies {
   public:
    ChildPolicies() = default;
    ChildPolicies(const ChildPolicies&) = delete;
    ChildPolicies& operator=(const ChildPolicies&) = delete;
    virtual ~ChildPolicies() = default;

    [[nodiscard]] virtual std::vector<ChildPolicy> child_policies() const = 0;
    /// From now on they are where these have them. `placed` are those that the kernel holds so already, as far as it
    /// is still known.
    virtual void follow(const ListedChildren& listed, std::span<const ChildPolicy> placed) = 0;
};

}  // namespace keysluice::control
