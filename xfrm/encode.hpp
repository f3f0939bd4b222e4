#pragma once

#include "netlink/request.hpp"
#include "xfrm/policy.hpp"
#include "xfrm/sa.hpp"

namespace keysluice::xfrm {

/// What the running kernel understands beyond Linux 5.10.
struct Dialect {
    /// XFRMA_SA_DIR, Linux 6.10: an SA has a direction, and an outbound one no replay window.
    bool sa_direction = false;
    /// XFRM_MSG_MIGRATE_STATE, Linux 7.
    bool migrate_state = false;
};

// The requests of the kernel's XFRM interface. What is impossible (an AEAD with AH, addresses of two families) is
// encoded all the same: the kernel refuses it, and says so in words of its own.

[[nodiscard]] netlink::Request encode_add(const Sa& sa, Dialect dialect);
/// For an SA that is in the kernel: new limits, or new ports of its encapsulation. Its keys, addresses and sequence
/// numbers stay as they are.
[[nodiscard]] netlink::Request encode_update(const Sa& sa, Dialect dialect);
/// XFRMA_OFFLOAD_DEV.
void put_offload(netlink::Request& request, const Offload& offload);
[[nodiscard]] netlink::Request encode_delete(const SaId& id);
[[nodiscard]] netlink::Request encode_get(const SaId& id);
[[nodiscard]] netlink::Request encode_sa_dump();

[[nodiscard]] netlink::Request encode_add(const Policy& policy);
/// Puts it in the place of the policy with the same id, without a moment in between, or adds it.
[[nodiscard]] netlink::Request encode_update(const Policy& policy);
[[nodiscard]] netlink::Request encode_delete(const PolicyId& id);
[[nodiscard]] netlink::Request encode_policy_dump();

/// A question whose answer tells whether the kernel understands XFRMA_SA_DIR: for an SA that can't exist, with a
/// direction that can't exist. A kernel that understands complains about the direction, another one misses the SA
/// (ESRCH).
[[nodiscard]] netlink::Request encode_direction_question();

}  // namespace keysluice::xfrm
