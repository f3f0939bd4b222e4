#include "netlink/links.hpp"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <cstring>
#include <utility>

#include "netlink/attribute_set.hpp"

namespace keysluice::netlink {
namespace {

constexpr std::string_view kWhat = "the kernel's note about a network device";
constexpr auto kRules = std::to_array<AttributeRule>({{IFLA_IFNAME, 1}});

std::string name_in(const AttributeSet& attributes) {
    const Bytes letters = attributes.find(IFLA_IFNAME).value_or(Bytes{});
    const std::string_view text(reinterpret_cast<const char*>(letters.data()), letters.size());
    return std::string(text.substr(0, text.find('\0')));
}

}  // namespace

Result<std::optional<LinkChange>> decode_link(std::uint16_t type, Bytes payload) {
    if (type != RTM_NEWLINK && type != RTM_DELLINK) {
        return std::nullopt;
    }
    if (payload.size() < sizeof(ifinfomsg)) {
        return fail("netlink-malformed",
                    fmt::format("{} has {} bytes, expected at least {}", kWhat, payload.size(), sizeof(ifinfomsg)));
    }
    ifinfomsg fixed{};
    std::memcpy(&fixed, payload.data(), sizeof(fixed));
    if (fixed.ifi_family != AF_UNSPEC) {
        return std::nullopt;  // a bridge's, of its port: the device may well be there
    }
    const auto attributes = AttributeSet::parse(behind(payload, sizeof(ifinfomsg)), kRules, kWhat);
    if (!attributes) {
        return std::unexpected(attributes.error());
    }
    return LinkChange{
        .device = Device{.index = static_cast<std::uint32_t>(fixed.ifi_index), .name = name_in(*attributes)},
        .up = type == RTM_NEWLINK && (fixed.ifi_flags & IFF_UP) != 0};
}

Result<LinkEvents> LinkEvents::open(int receive_buffer) {
    static constexpr std::array kGroups{static_cast<int>(RTNLGRP_LINK)};
    auto listener = Listener::open(NETLINK_ROUTE, kGroups, receive_buffer);
    if (!listener) {
        return pass_on(std::move(listener));
    }
    return LinkEvents(*std::move(listener));
}

}  // namespace keysluice::netlink
