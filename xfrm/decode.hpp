#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "xfrm/policy.hpp"
#include "xfrm/sa.hpp"

namespace keysluice::xfrm {

/// A packet met a policy for which there is no SA.
struct Acquire {
    /// Outer addresses: of the template, where it names them, else of the packet.
    IpAddress source;
    IpAddress destination;
    /// The packet's own addresses, protocol and ports.
    Selector packet;
    /// The policy's selector and number.
    Selector policy;
    std::uint32_t policy_index = 0;
    std::vector<Template> templates;
    std::optional<IfId> if_id;
    std::optional<Mark> mark;
    /// For Sa::acquire_sequence.
    std::uint32_t sequence = 0;
};

/// An SA has come to one of its limits. At a hard one the kernel has deleted it.
struct Expire {
    /// With spi 0 it is the placeholder of an Acquire that nobody answered in time.
    SaId id;
    IpAddress source;
    ReqId reqid;
    bool hard = false;
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
};

/// ESP in UDP came from another address or port than before. The kernel goes on to answer to the old one.
struct MappingChange {
    SaId id;
    ReqId reqid;
    UdpEndpoint before;
    UdpEndpoint after;
};

/// Events were dropped because the socket's buffer was full: nobody knows which. Dump, and compare. An Acquire that
/// nobody else heard is not among what is lost for good: the kernel notices, refuses the packet and asks anew for the
/// next one. Where another program listens too, only its placeholder (spi 0) among the SAs tells of it.
struct Lost {};

using Event = std::variant<Acquire, Expire, MappingChange, Lost>;

// What the kernel says: `payload` is what follows the netlink header. Fails with "netlink-malformed" where a message
// is shorter than it must be. Nothing comes of a message that is whole and speaks of what this program does not
// install (IPComp, BEET, policies of single sockets, other kinds of events).

[[nodiscard]] Result<std::optional<SaState>> decode_sa(Bytes payload);
[[nodiscard]] Result<std::optional<PolicyState>> decode_policy(Bytes payload);
/// `type`: nlmsg_type.
[[nodiscard]] Result<std::optional<Event>> decode_event(std::uint16_t type, Bytes payload);

}  // namespace keysluice::xfrm
