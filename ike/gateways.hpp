#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "ike/connection.hpp"
#include "ike/ids.hpp"

namespace keysluice::ike {

/// Where a connection with several gateways stands: a plain value that outlives the process (snapshot.hpp).
struct GatewayUse {
    UdpEndpoint current;                ///< in use, or the next to be tried
    std::string child;                  ///< what is to be up; empty: all of its children
    bool wanted = false;                ///< somebody wants it up
    std::uint32_t failed = 0;           ///< gateways of this round, one after the other
    std::optional<IkeSpi> closing;      ///< somebody wants this IKE SA to end: no fault of the gateway's
    std::optional<UdpEndpoint> probed;  ///< a better gateway, of which one wants to know whether it is there
    std::optional<IkeSpi> probe;        ///< the IKE SA for that; nothing: the way to it is looked for
    Instant look_at = Instant::max();   ///< when to look for a better one

    bool operator==(const GatewayUse&) const = default;
};
/// By the connection's name.
using GatewayUses = std::map<std::string, GatewayUse>;

/// The one behind it, of the last and of an unknown one the first.
[[nodiscard]] UdpEndpoint gateway_after(const Gateways& gateways, const UdpEndpoint& one);
/// Where to begin when the last one that was used or tried is this.
[[nodiscard]] UdpEndpoint first_of_round(const Gateways& gateways, const UdpEndpoint& last);
/// Those to which the connection is to go back from this one, best first; empty where it stays.
[[nodiscard]] std::span<const UdpEndpoint> better_than(const Gateways& gateways, const UdpEndpoint& one);

}  // namespace keysluice::ike
