#include "netlink/routing.hpp"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <utility>

namespace keysluice::netlink {

Result<std::optional<RoutingChange>> decode_routing(std::uint16_t type, Bytes /*payload*/) {
    static constexpr std::array<std::uint16_t, 6> kTypes{RTM_NEWADDR,  RTM_DELADDR, RTM_NEWROUTE,
                                                         RTM_DELROUTE, RTM_NEWRULE, RTM_DELRULE};
    return std::ranges::find(kTypes, type) != kTypes.end() ? std::optional(RoutingChange{}) : std::nullopt;
}

Result<RoutingEvents> RoutingEvents::open(int receive_buffer) {
    static constexpr std::array kGroups{
        static_cast<int>(RTNLGRP_IPV4_IFADDR), static_cast<int>(RTNLGRP_IPV6_IFADDR),
        static_cast<int>(RTNLGRP_IPV4_ROUTE),  static_cast<int>(RTNLGRP_IPV6_ROUTE),
        static_cast<int>(RTNLGRP_IPV4_RULE),   static_cast<int>(RTNLGRP_IPV6_RULE),
    };
    auto listener = Listener::open(NETLINK_ROUTE, kGroups, receive_buffer);
    if (!listener) {
        return pass_on(std::move(listener));
    }
    return RoutingEvents(*std::move(listener));
}

}  // namespace keysluice::netlink
