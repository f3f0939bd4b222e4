#pragma once

#include <span>

#include "base/result.hpp"
#include "policy/policy.hpp"

namespace keysluice::policy {

/// One entry of the kernel's SPD, and the place in the ordered list of the policy that it belongs to.
struct KernelEntry {
    std::size_t place = 0;
    xfrm::Policy policy;

    bool operator==(const KernelEntry&) const = default;
};

/// The kernel prefers the lowest number. Behind all those of IKE's connections (xfrm::priority_of()).
inline constexpr std::uint32_t kFirstPriority = 1'000'000;
/// Ranges can become very many prefixes and masks.
inline constexpr std::size_t kMostEntriesOfOne = 4096;

/// What the kernel has to hold so that the first policy that fits a packet counts: ranges become prefixes and masks,
/// each of which has the priority of its policy's place. Two policies can become the same selector, of which the
/// kernel holds one: the first one's.
///
/// Error: `policy-too-fine`, where one policy becomes more than kMostEntriesOfOne.
[[nodiscard]] Result<std::vector<KernelEntry>> kernel_entries(std::span<const Policy> policies);

}  // namespace keysluice::policy
