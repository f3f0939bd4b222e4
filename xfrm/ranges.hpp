#pragma once

#include <optional>
#include <vector>

#include "xfrm/types.hpp"

namespace keysluice::xfrm {

/// The fewest prefixes that make up the range; both addresses are of one family.
[[nodiscard]] std::vector<Prefix> split_range(const IpAddress& first, const IpAddress& last);
/// The fewest masks that make up the range of ports.
[[nodiscard]] std::vector<PortMask> split_ports(std::uint16_t first, std::uint16_t last);

/// The packets that belong to both, with the first one's `user`; nothing where there are none.
[[nodiscard]] std::optional<Selector> overlap(const Selector& a, const Selector& b);

}  // namespace keysluice::xfrm
