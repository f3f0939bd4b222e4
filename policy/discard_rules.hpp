#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "policy/discard_tree.hpp"
#include "policy/policy.hpp"
#include "xfrm/sa.hpp"

/// XFRM drops packets and counts them in sum only. Here is what makes nftables count them for each policy. It decides
/// nothing: without it, the same packets are dropped (docs/decisions/0016).
namespace keysluice::policy {

/// Where what is not to go out is led to: an SA of which nobody has the key, and whose packets every IPv6 host drops,
/// ours included, since no packet may come from a multicast address (RFC 4291, section 2.7).
[[nodiscard]] xfrm::Template drain();
/// The SA. `key` is random, and forgotten at once.
[[nodiscard]] xfrm::Sa drain_sa(xfrm::Aead key);
/// How many bytes of key it takes.
inline constexpr std::size_t kDrainKey = 20;

inline constexpr std::string_view kTableName = "keysluice";
inline constexpr std::string_view kInputChain = "input";
inline constexpr std::string_view kOutputChain = "postrouting";
/// Where what goes to the drain is told apart.
inline constexpr std::string_view kDrained = "drained";
/// "ks"
inline constexpr std::uint16_t kDiscardLogGroup = 0x6b73;

/// Whether packets are counted for it: those that it discards, or that come in the clear where it demands IPsec.
[[nodiscard]] bool counts_discards(const Policy& policy);
/// "in.NAME" or "out.NAME": its counter, its chain, and the prefix of its log entries.
[[nodiscard]] std::string discard_label(const Policy& policy);

/// The table: all but the two base chains, and the counters of the policies that count.
///
/// Of what comes in, the kernel's policies never see packets of ESP and AH themselves, IPv4 on the loopback device,
/// and what goes to sockets that have policies of their own: `own_ports`, those of IKE. Neither are they counted.
[[nodiscard]] DiscardTable discard_table(std::span<const Policy> policies, std::span<const std::uint16_t> own_ports);

}  // namespace keysluice::policy
