#pragma once

#include <optional>

#include "base/address.hpp"
#include "dbus/compat.hpp"
#include "dbus/networkmanager/tunnel.hpp"

namespace keysluice::networkmanager {

// What NetworkManager is told of a tunnel that stands: the arguments of its signals Config, Ip4Config and Ip6Config.

/// A tunnel with addresses is behind an interface, which NetworkManager configures, too. One without has neither
/// address nor device: the kernel's policies lead packets into it. (NetworkManager 1.42 takes no IP configuration
/// without an address.)
[[nodiscard]] bus::Dictionary config_for(const Standing& tunnel);
/// Nothing where the peer gave us no address of this family. Routes are keysluiced's part: NetworkManager makes no
/// default route of it.
[[nodiscard]] std::optional<bus::Dictionary> ip_config_for(const Standing& tunnel, Family family);

}  // namespace keysluice::networkmanager
