#pragma once

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <optional>

#include "base/address.hpp"
#include "xfrm/types.hpp"

/// What include/uapi/linux/xfrm.h says, as values: the kernel's numbers for ours, and what older headers lack.
namespace keysluice::xfrm::uapi {

/// Attributes (Linux 6.10).
inline constexpr std::uint16_t kSaDir = 33;
inline constexpr std::uint8_t kSaDirIn = 1;
inline constexpr std::uint8_t kSaDirOut = 2;
/// xfrm_user_offload.flags.
inline constexpr std::uint8_t kOffloadInbound = 2;
inline constexpr std::uint8_t kOffloadPacket = 4;
/// xfrm_encap_tmpl.encap_type: UDP_ENCAP_ESPINUDP.
inline constexpr std::uint16_t kEspInUdp = 2;
/// XFRM_MSG_MIGRATE_STATE (Linux 7), with struct xfrm_user_migrate_state.
inline constexpr std::uint16_t kMigrateState = XFRM_MSG_GETDEFAULT + 1;
struct MigrateState {
    xfrm_usersa_id id;
    xfrm_address_t new_daddr;
    xfrm_address_t new_saddr;
    xfrm_mark old_mark;
    xfrm_selector new_sel;
    std::uint32_t new_reqid;
    std::uint32_t flags;
    std::uint16_t new_family;
    std::uint16_t reserved;
};
/// MigrateState::flags: XFRM_MIGRATE_STATE_CLEAR_OFFLOAD.
inline constexpr std::uint32_t kMigrateClearOffload = 1;
/// XFRM_INF says it with a cast of the C language.
inline constexpr std::uint64_t kUnlimited = UINT64_MAX;
/// include/net/xfrm.h
inline constexpr std::size_t kMaxTemplates = 6;

[[nodiscard]] constexpr std::uint16_t number(Family family) {
    return family == Family::ipv4 ? AF_INET : AF_INET6;
}
[[nodiscard]] constexpr std::uint8_t number(Protocol protocol) {
    return protocol == Protocol::esp ? IPPROTO_ESP : IPPROTO_AH;
}
[[nodiscard]] constexpr std::uint8_t number(Mode mode) {
    return mode == Mode::transport ? XFRM_MODE_TRANSPORT : XFRM_MODE_TUNNEL;
}
[[nodiscard]] constexpr std::uint8_t policy_number(Direction direction) {
    switch (direction) {
        case Direction::in:
            return XFRM_POLICY_IN;
        case Direction::out:
            return XFRM_POLICY_OUT;
        case Direction::fwd:
            return XFRM_POLICY_FWD;
    }
    return XFRM_POLICY_MAX;
}

// The way back finds nothing for what this program does not install: IPComp, BEET, policies of a single socket.

[[nodiscard]] constexpr std::optional<Family> family_of(std::uint16_t value) {
    return value == AF_INET    ? std::optional(Family::ipv4)
           : value == AF_INET6 ? std::optional(Family::ipv6)
                               : std::nullopt;
}
[[nodiscard]] constexpr std::optional<Protocol> protocol_of(std::uint8_t value) {
    return value == IPPROTO_ESP  ? std::optional(Protocol::esp)
           : value == IPPROTO_AH ? std::optional(Protocol::ah)
                                 : std::nullopt;
}
[[nodiscard]] constexpr std::optional<Mode> mode_of(std::uint8_t value) {
    return value == XFRM_MODE_TRANSPORT ? std::optional(Mode::transport)
           : value == XFRM_MODE_TUNNEL  ? std::optional(Mode::tunnel)
                                        : std::nullopt;
}
[[nodiscard]] constexpr std::optional<Direction> direction_of_policy(std::uint8_t value) {
    return value == XFRM_POLICY_IN    ? std::optional(Direction::in)
           : value == XFRM_POLICY_OUT ? std::optional(Direction::out)
           : value == XFRM_POLICY_FWD ? std::optional(Direction::fwd)
                                      : std::nullopt;
}

[[nodiscard]] inline xfrm_address_t address(const IpAddress& value) {
    xfrm_address_t raw{};
    std::memcpy(&raw, value.octets().data(), value.octets().size());
    return raw;
}
[[nodiscard]] inline IpAddress address_of(const xfrm_address_t& raw, Family family) {
    const auto* octets = reinterpret_cast<const std::uint8_t*>(&raw);
    return IpAddress::from_octets({octets, family == Family::ipv4 ? 4U : 16U}).value_or(IpAddress{});
}

[[nodiscard]] inline xfrm_selector selector(const Selector& value) {
    xfrm_selector raw{};
    raw.daddr = address(value.destination.address);
    raw.saddr = address(value.source.address);
    raw.dport = htons(value.destination_port.port);
    raw.dport_mask = htons(value.destination_port.mask);
    raw.sport = htons(value.source_port.port);
    raw.sport_mask = htons(value.source_port.mask);
    raw.family = number(value.source.address.family());
    raw.prefixlen_d = value.destination.length;
    raw.prefixlen_s = value.source.length;
    raw.proto = value.protocol;
    raw.user = value.user;
    return raw;
}
/// Nothing where it has no family: it selects nothing then, or everything.
[[nodiscard]] inline std::optional<Selector> selector_of(const xfrm_selector& raw) {
    const auto family = family_of(raw.family);
    if (!family) {
        return std::nullopt;
    }
    return Selector{.source = {address_of(raw.saddr, *family), raw.prefixlen_s},
                    .destination = {address_of(raw.daddr, *family), raw.prefixlen_d},
                    .protocol = raw.proto,
                    .source_port = {ntohs(raw.sport), ntohs(raw.sport_mask)},
                    .destination_port = {ntohs(raw.dport), ntohs(raw.dport_mask)},
                    .user = raw.user};
}

}  // namespace keysluice::xfrm::uapi
