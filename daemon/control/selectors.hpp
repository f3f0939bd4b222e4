#pragma once

#include <vector>

#include "base/result.hpp"
#include "ike/traffic_selectors.hpp"
#include "xfrm/types.hpp"

namespace keysluice::control {

/// As many as one CHILD SA may have: ranges can become very many prefixes.
inline constexpr std::size_t kMostSelectors = 256;

/// What IKE's selectors are in the kernel's terms, from our side (the source is local): a packet belongs to a CHILD
/// SA if it fits one selector of each side (RFC 7296 section 2.9), so each selector of one side meets each of the
/// other. Sorted, without repetitions.
///
/// Fails with "selectors-opaque" (OPAQUE ports, which the kernel can't select), "selectors-too-many", and
/// "selectors-empty" where no two of them can meet.
[[nodiscard]] Result<std::vector<xfrm::Selector>> kernel_selectors(const ike::TrafficSelectors& local,
                                                                   const ike::TrafficSelectors& remote);

/// What a packet of ours is about, of those that the kernel asks for an SA for. Ports of protocols that have ports.
[[nodiscard]] ike::PacketSelectors packet_selectors(const xfrm::Selector& packet);

/// The same for packets that come to us.
[[nodiscard]] xfrm::Selector reversed(const xfrm::Selector& selector);

}  // namespace keysluice::control
