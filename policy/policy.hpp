#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.hpp"
#include "xfrm/policy.hpp"

namespace keysluice::policy {

enum class Direction : std::uint8_t { in, out };
/// What becomes of a packet: it passes in the clear, is dropped, or passes under IPsec only.
enum class Disposition : std::uint8_t { bypass, discard, protect };

/// Both ends belong to it and are of one family.
struct AddressRange {
    IpAddress first;
    IpAddress last;

    bool operator==(const AddressRange&) const = default;
};

/// Ports, or types or codes of ICMP; both ends belong to it.
struct PortRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0xffff;

    bool operator==(const PortRange&) const = default;
};

/// Which SAs protect packets.
struct Protection {
    xfrm::Protocol protocol = xfrm::Protocol::esp;
    xfrm::Mode mode = xfrm::Mode::transport;
    xfrm::ReqId reqid = {};
    /// Outer addresses of a tunnel, of one family; unspecified in transport mode.
    IpAddress tunnel_local = {};
    IpAddress tunnel_remote = {};

    bool operator==(const Protection&) const = default;
};

/// One line of an ordered list, of which the first that fits a packet counts.
struct Policy {
    std::string name;
    Direction direction = Direction::out;
    Disposition disposition = Disposition::bypass;
    /// Addresses of this host and of the other one; none: any of both families.
    std::vector<AddressRange> local = {};
    std::vector<AddressRange> remote = {};
    /// None: any.
    std::optional<std::uint8_t> protocol = {};
    /// None: any. Only with a protocol that has ports, or with ICMP and ICMPv6, of which the local ones are the types
    /// and the remote ones the codes, whichever way the packet goes.
    std::vector<PortRange> local_ports = {};
    std::vector<PortRange> remote_ports = {};
    /// Of `protect`.
    Protection protection = {};
    /// The kernel prefers the lowest: place_priorities() knows which are free.
    std::uint32_t priority = 0;
};

/// What becomes of packets that no policy fits: IPSECDefault of the ClearPath MCP.
enum class Otherwise : std::uint8_t { ipv6_only, bypass, deny, deny_all };

/// Policies for it, behind all others, so that each packet meets one: of each direction and family one.
///
///     |          | in IPv4 | out IPv4 | in IPv6 | out IPv6 |
///     | IPv6Only | bypass  | bypass   | discard | discard  |
///     | BYPASS   | bypass  | bypass   | bypass  | bypass   |
///     | DENY     | discard | bypass   | discard | bypass   |
///     | DENYALL  | discard | discard  | discard | discard  |
[[nodiscard]] std::vector<Policy> policies_for(Otherwise otherwise);
/// Their name, which no other policy can have.
inline constexpr std::string_view kOtherwiseName = "(default)";

/// Whether packets of this protocol have ports for the kernel's selectors (net/xfrm/xfrm_policy.c,
/// xfrm_flowi_sport()).
[[nodiscard]] bool has_ports(std::uint8_t protocol);
[[nodiscard]] bool is_icmp(std::uint8_t protocol);

}  // namespace keysluice::policy
