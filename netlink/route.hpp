#pragma once

#include <cstdint>
#include <string>

#include "base/address.hpp"
#include "netlink/socket.hpp"

namespace keysluice::netlink {

struct Device {
    std::uint32_t index = 0;
    std::string name;

    bool operator==(const Device&) const = default;
};

/// The network device by which packets from `local`, an address of ours, go to `remote`. `socket` is one of
/// NETLINK_ROUTE. Fails with "no-route" and as Socket::transact() does.
[[nodiscard]] Result<Device> device_towards(Socket& socket, const IpAddress& local, const IpAddress& remote);

/// Empty where there is no such device (any more).
[[nodiscard]] std::string device_name(std::uint32_t index);

}  // namespace keysluice::netlink
