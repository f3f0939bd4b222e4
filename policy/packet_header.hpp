#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/address.hpp"
#include "base/bytes.hpp"

namespace keysluice::policy {

/// What policies look at in a packet, and what a person wants to know about one.
struct PacketHeader {
    IpAddress source;
    IpAddress destination;
    std::uint8_t protocol = 0;
    /// Of ICMP and ICMPv6 type and code. Missing in later fragments, and where the packet was cut short.
    std::optional<std::uint16_t> source_port = {};
    std::optional<std::uint16_t> destination_port = {};
    /// Of ESP and AH.
    std::optional<std::uint32_t> spi = {};

    bool operator==(const PacketHeader&) const = default;
};

/// Reads a packet from its IP header on; its end may be missing. Nothing where it is none.
[[nodiscard]] std::optional<PacketHeader> parse_packet(Bytes packet);

/// "tcp 192.0.2.1 port 40000 to 192.0.2.2 port 21", "ipv6-icmp fe80::1 to ff02::1 type 135 code 0",
/// "esp 192.0.2.1 to 192.0.2.2 SPI 24577 (0x6001)", "protocol 200 …".
[[nodiscard]] std::string describe(const PacketHeader& packet);

}  // namespace keysluice::policy
