#include "netlink/addresses.hpp"

#include <linux/rtnetlink.h>

#include <array>
#include <utility>

namespace keysluice::netlink {

Result<std::optional<AddressChange>> decode_address(std::uint16_t type, Bytes /*payload*/) {
    return type == RTM_NEWADDR || type == RTM_DELADDR ? std::optional(AddressChange{}) : std::nullopt;
}

Result<AddressEvents> AddressEvents::open(int receive_buffer) {
    static constexpr std::array kGroups{static_cast<int>(RTNLGRP_IPV4_IFADDR), static_cast<int>(RTNLGRP_IPV6_IFADDR)};
    auto listener = Listener::open(NETLINK_ROUTE, kGroups, receive_buffer);
    if (!listener) {
        return pass_on(std::move(listener));
    }
    return AddressEvents(*std::move(listener));
}

}  // namespace keysluice::netlink
