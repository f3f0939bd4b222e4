#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "policy/policy.hpp"

namespace keysluice::policy {

/// Large enough for an IPv6 address.
__extension__ using Number = unsigned __int128;

/// Both ends belong to it.
struct Interval {
    Number first = 0;
    Number last = 0;

    bool operator==(const Interval&) const = default;
};

/// What the packets of one family and one direction differ in.
enum class Dimension : std::uint8_t { protocol, local_address, remote_address, local_port, remote_port };
inline constexpr std::size_t kDimensions = 5;

/// Packets of one family and one direction: one interval of each dimension.
using Box = std::array<Interval, kDimensions>;

/// All that there is in a dimension.
[[nodiscard]] Interval whole(Dimension dimension, Family family);

/// In which intervals of a dimension a policy's packets of this family lie; nothing where it has none of the family.
[[nodiscard]] std::vector<Interval> intervals_of(const Policy& policy, Dimension dimension, Family family);

[[nodiscard]] Number number_of(const IpAddress& address);
[[nodiscard]] IpAddress address_of(Number number, Family family);

}  // namespace keysluice::policy
