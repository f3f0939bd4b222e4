#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace keysluice::policy {

/// Numbers of the kernel's, of which it prefers the lowest. Those of ordered policies lie behind all those of IKE's
/// CHILD SAs (xfrm::priority_of()).
inline constexpr std::uint32_t kFirstPriority = 1'000'000;
/// Each policy has so many for itself: its own is the last of them, those before it are for policies that lead into
/// CHILD SAs in its place (selectors_within()).
inline constexpr std::uint32_t kNumbersOfOne = 4;
inline constexpr std::uint32_t kBeforeOfTrap = 1;
inline constexpr std::uint32_t kBeforeOfInstalled = 2;
/// Of policies_for().
inline constexpr std::uint32_t kLastPriority = 0xffff'ffff;
/// Between neighbours, where there is room: so that others can come between them.
inline constexpr std::uint32_t kPriorityStep = 1U << 16U;
/// There is room for all of them at that distance.
inline constexpr std::size_t kMostPolicies = 32'768;

/// Ascending priorities for policies in their order, of which some have one already (`before`; 0: none): as many as
/// possible keep theirs, so that as little as possible changes in the kernel. Where there is no room left between two
/// of them, all get new ones. At most kMostPolicies.
[[nodiscard]] std::vector<std::uint32_t> place_priorities(std::span<const std::uint32_t> before);

}  // namespace keysluice::policy
