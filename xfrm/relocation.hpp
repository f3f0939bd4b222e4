#pragma once

#include <optional>

#include "base/result.hpp"
#include "netlink/request.hpp"
#include "xfrm/sa.hpp"

namespace keysluice::xfrm {

/// Another way for the packets of an SA in tunnel mode: other outer addresses, of the same family or the other one,
/// and UDP encapsulation that changes, appears or goes. Keys, sequence numbers, replay window, counters and age stay.
struct Relocation {
    SaId id;  ///< as it is
    ReqId reqid;
    IpAddress source;  ///< as it is to be, as all that follows
    IpAddress destination;
    std::optional<UdpEncapsulation> encapsulation = {};

    auto operator<=>(const Relocation&) const = default;
    [[nodiscard]] SaId after() const { return {destination, id.spi, id.protocol, id.mark}; }
};

/// The same SA with another network device that does a part of the work, or with none. Nothing else changes.
struct Rebinding {
    SaId id;
    std::optional<Offload> offload;

    auto operator<=>(const Rebinding&) const = default;
};

/// XFRM_MSG_MIGRATE_STATE (Linux 7): the kernel does it in one step. A device that did a part of the work does it no
/// longer.
[[nodiscard]] netlink::Request encode_migration(const Relocation& relocation);
/// A question whose answer tells whether the kernel has XFRM_MSG_MIGRATE_STATE: then there is no such SA (ESRCH).
[[nodiscard]] netlink::Request encode_migration_question();

// Before that: the SA is deleted and added again as it was at that moment.

/// Whether the kernel shows keys as zeros (lockdown): such an SA can't be added again. `payload`: the answer to a
/// question for the SA. Fails with "netlink-malformed".
[[nodiscard]] Result<bool> hides_keys(Bytes payload);
/// The request that adds the SA again. `deletion`: the payload of the kernel's note that it was deleted
/// (XFRM_MSG_DELSA in the group XFRMNLGRP_SA), which has all of it, its last sequence number included. Nothing where
/// that is about another SA. Fails with "netlink-malformed".
[[nodiscard]] Result<std::optional<netlink::Request>> encode_again(Bytes deletion, const Relocation& relocation);
[[nodiscard]] Result<std::optional<netlink::Request>> encode_again(Bytes deletion, const Rebinding& rebinding);

}  // namespace keysluice::xfrm
