#include "policy/packet_header.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "policy/policy.hpp"

namespace keysluice::policy {

namespace {

/// What stands behind the headers of IP.
struct Inside {
    std::uint8_t protocol = 0;
    Bytes bytes;
};

Inside behind_ipv4(Bytes packet) {
    const std::size_t length = std::size_t{packet[0] & 0x0fU} * 4;
    const bool later_fragment = ((packet[6] & 0x1fU) | packet[7]) != 0;
    const bool readable = !later_fragment && length >= 20 && length <= packet.size();
    return {.protocol = packet[9], .bytes = readable ? packet.subspan(length) : Bytes{}};
}

bool is_extension(std::uint8_t protocol) {
    return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_FRAGMENT ||
           protocol == IPPROTO_DSTOPTS;
}

/// Extension headers (RFC 8200, section 4) begin with the number of the next one and, but for the fragment header,
/// their length in units of 8 bytes beyond the first.
Inside behind_ipv6(Bytes packet) {
    Inside inside{.protocol = packet[6], .bytes = packet.subspan(40)};
    while (is_extension(inside.protocol) && inside.bytes.size() >= 8) {
        const bool fragment = inside.protocol == IPPROTO_FRAGMENT;
        const bool later_fragment = fragment && (inside.bytes[2] | (inside.bytes[3] & 0xf8U)) != 0;
        const std::size_t length = fragment ? 8 : 8 * (std::size_t{inside.bytes[1]} + 1);
        inside.protocol = inside.bytes[0];
        inside.bytes = later_fragment || length > inside.bytes.size() ? Bytes{} : inside.bytes.subspan(length);
    }
    return inside;
}

void read_ports(PacketHeader& header, Bytes inside) {
    if (inside.size() < 4) {
        return;
    }
    Reader reader(inside);
    if (is_icmp(header.protocol)) {
        header.source_port = reader.be<std::uint8_t>();
        header.destination_port = reader.be<std::uint8_t>();
    } else if (has_ports(header.protocol)) {
        header.source_port = reader.be<std::uint16_t>();
        header.destination_port = reader.be<std::uint16_t>();
    } else if (header.protocol == IPPROTO_ESP) {
        header.spi = reader.be<std::uint32_t>();
    } else if (header.protocol == IPPROTO_AH && inside.size() >= 8) {
        // RFC 4302, section 2: next header, length, reserved.
        header.spi = Reader(inside.subspan(4)).be<std::uint32_t>();
    }
}

/// As in /etc/protocols.
std::string name_of(std::uint8_t protocol) {
    static constexpr auto kNames = std::to_array<std::pair<std::uint8_t, std::string_view>>({
        {IPPROTO_ICMP, "icmp"},
        {IPPROTO_IGMP, "igmp"},
        {IPPROTO_TCP, "tcp"},
        {IPPROTO_UDP, "udp"},
        {IPPROTO_DCCP, "dccp"},
        {IPPROTO_GRE, "gre"},
        {IPPROTO_ESP, "esp"},
        {IPPROTO_AH, "ah"},
        {IPPROTO_ICMPV6, "ipv6-icmp"},
        {IPPROTO_SCTP, "sctp"},
        {IPPROTO_UDPLITE, "udplite"},
    });
    const auto* const known = std::ranges::find(kNames, protocol, &std::pair<std::uint8_t, std::string_view>::first);
    return known == kNames.end() ? fmt::format("protocol {}", protocol) : std::string(known->second);
}

std::string port(const std::optional<std::uint16_t>& number) {
    return number ? fmt::format(" port {}", *number) : std::string();
}

}  // namespace

std::optional<PacketHeader> parse_packet(Bytes packet) {
    const bool four = packet.size() >= 20 && packet[0] >> 4U == 4;
    const bool six = packet.size() >= 40 && packet[0] >> 4U == 6;
    if (!four && !six) {
        return std::nullopt;
    }
    const std::size_t size = four ? 4 : 16;
    const Bytes addresses = packet.subspan(four ? 12 : 8, 2 * size);
    const Inside inside = four ? behind_ipv4(packet) : behind_ipv6(packet);
    PacketHeader header{.source = IpAddress::from_octets(addresses.first(size)).value_or(IpAddress{}),
                        .destination = IpAddress::from_octets(addresses.last(size)).value_or(IpAddress{}),
                        .protocol = inside.protocol};
    read_ports(header, inside.bytes);
    return header;
}

std::string describe(const PacketHeader& packet) {
    const std::string from = packet.source.text();
    const std::string to = packet.destination.text();
    const std::string name = name_of(packet.protocol);
    if (is_icmp(packet.protocol) && packet.source_port) {
        return fmt::format("{} {} to {} type {} code {}", name, from, to, *packet.source_port,
                           packet.destination_port.value_or(0));
    }
    if (packet.spi) {
        return fmt::format("{} {} to {} SPI {} (0x{:x})", name, from, to, *packet.spi, *packet.spi);
    }
    return fmt::format("{} {}{} to {}{}", name, from, port(packet.source_port), to, port(packet.destination_port));
}

}  // namespace keysluice::policy
