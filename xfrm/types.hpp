#pragma once

#include <compare>
#include <cstdint>

#include "base/address.hpp"
#include "base/strong_id.hpp"

namespace keysluice::xfrm {

/// The name that the receiver of ESP or AH packets gives to one SA, as a number of the host's byte order. 0 is none.
using Spi = StrongId<struct SpiTag, std::uint32_t>;
/// Ties policies to the SAs that may serve them; 0 ties nothing.
using ReqId = StrongId<struct ReqIdTag, std::uint32_t>;
/// Ties SAs and policies to an XFRM interface.
using IfId = StrongId<struct IfIdTag, std::uint32_t>;

/// Of an SA: in or out. Of a policy: also fwd, for what arrives through a tunnel and is passed on.
enum class Direction : std::uint8_t { in, out, fwd };
enum class Mode : std::uint8_t { transport, tunnel };
enum class Protocol : std::uint8_t { esp, ah };

/// All ports that agree with `port` where `mask` has ones: {0, 0} is any port, {443, 0xffff} exactly one. With ICMP
/// the source's is the type and the destination's the code.
struct PortMask {
    std::uint16_t port = 0;
    std::uint16_t mask = 0;

    auto operator<=>(const PortMask&) const = default;
};

/// Which packets. The kernel has prefixes and masks, no ranges: a range of IKE becomes several selectors.
struct Selector {
    /// Of one family.
    Prefix source = {};
    Prefix destination = {};
    /// 0: any.
    std::uint8_t protocol = 0;
    PortMask source_port = {};
    PortMask destination_port = {};
    /// No packet has one. It tells policies for the same packets apart, of which the kernel holds one of each number
    /// (xfrm_selector.user, in selector_cmp() of net/xfrm/xfrm_policy.c, and not in xfrm_selector_match()).
    std::uint32_t user = 0;

    auto operator<=>(const Selector&) const = default;
};

/// A mark that packets must have, under a mask.
struct Mark {
    std::uint32_t value = 0;
    std::uint32_t mask = 0xffffffff;

    auto operator<=>(const Mark&) const = default;
};

}  // namespace keysluice::xfrm
