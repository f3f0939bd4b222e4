#pragma once

#include <optional>

#include "ike/actions.hpp"
#include "xfrm/policy.hpp"
#include "xfrm/relocation.hpp"
#include "xfrm/sa.hpp"

namespace keysluice::control {

// What IKE calls something, as the kernel calls it.

/// What an algorithm of IKE is for the kernel, with its keys.
[[nodiscard]] xfrm::Algorithms kernel_algorithms(const ike::EspSuite& suite, ike::ChildDirectionKeys keys);

/// A dead man's switch: when keysluiced has been gone for so long or has let so much pass, the kernel deletes the SA
/// by itself.
[[nodiscard]] xfrm::Limits hard_limit(const ike::ChildLifetime& lifetime);

/// Numbers of ours have this in front, so that what an earlier process left behind is found again.
inline constexpr std::uint32_t kReqIdMark = 0x4b000000;
inline constexpr std::uint32_t kReqIdCount = 0x01000000;
/// Whether an SA or policy with this number is one that a Translator made, now or in an earlier process.
[[nodiscard]] bool is_ours(xfrm::ReqId reqid);
[[nodiscard]] bool is_ours(const xfrm::Policy& policy);

[[nodiscard]] xfrm::SaId inbound_id(const ike::ChildSaSpec& spec);
[[nodiscard]] xfrm::SaId outbound_id(const ike::ChildSaSpec& spec);
[[nodiscard]] xfrm::Sa inbound_sa(const ike::ChildSaSpec& spec, xfrm::ReqId reqid, ike::ChildDirectionKeys keys);
/// `acquire_sequence`: as xfrm::Acquire has it, of the packet that asked for it.
[[nodiscard]] xfrm::Sa outbound_sa(const ike::ChildSaSpec& spec, xfrm::ReqId reqid, ike::ChildDirectionKeys keys,
                                   std::uint32_t acquire_sequence = 0);
/// Brings the SA of that name to where `to` is.
[[nodiscard]] xfrm::Relocation relocation_of(const xfrm::SaId& id, const xfrm::Sa& to);
/// For requests whose keys the kernel does not look at.
[[nodiscard]] ike::ChildDirectionKeys keys_of_zeros(const ike::EspSuite& suite);

/// The policy that leads packets of the selector, which is as the packets are, into SAs of the number.
[[nodiscard]] xfrm::Policy policy_of(const ike::ChildSaSpec& spec, xfrm::Direction direction,
                                     const xfrm::Selector& selector, xfrm::ReqId reqid, xfrm::Purpose purpose);

[[nodiscard]] xfrm::Sa given_to(const std::optional<xfrm::Offload>& offload, xfrm::Sa sa);
/// A device that does whole packets needs the policies too.
[[nodiscard]] xfrm::Policy given_to(const std::optional<xfrm::Offload>& offload, xfrm::Policy policy);

}  // namespace keysluice::control
