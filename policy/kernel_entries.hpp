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

/// How the kernel drops what policies discard on its way out.
enum class Discards : std::uint8_t {
    blocked,
    /// By a template that leads to drain(), so that nftables sees the packets and counts them (discard_rules()).
    /// Whether it does or not, and with or without the SA, nothing of them leaves.
    drained,
};

/// Ranges can become very many prefixes and masks.
inline constexpr std::size_t kMostEntriesOfOne = 4096;

/// What the kernel has to hold so that the first policy that fits a packet counts, of policies whose priorities
/// ascend: ranges become prefixes and masks, each of which has its policy's priority. Two policies can become the
/// same selector, of which the kernel holds one: the first one's.
///
/// Error: `policy-too-fine`, where one policy becomes more than kMostEntriesOfOne.
[[nodiscard]] Result<std::vector<KernelEntry>> kernel_entries(std::span<const Policy> policies,
                                                              Discards discards = Discards::blocked);

/// Of the packets of a kernel's selector, those that the policy is about: of its direction.
[[nodiscard]] std::vector<xfrm::Selector> selectors_within(const Policy& policy, const xfrm::Selector& selector);

}  // namespace keysluice::policy
