#pragma once

#include <map>
#include <string>

#include "dbus/compat.hpp"
#include "dbus/networkmanager/profile.hpp"

namespace keysluice::networkmanager {

/// A connection as NetworkManager sends it: by the names of its settings.
using Settings = std::map<std::string, bus::Dictionary>;

/// Takes out of it what this service looks at. What has another type than NetworkManager's is "bad-vpn-data".
[[nodiscard]] Result<Request> read_request(const Settings& settings);

}  // namespace keysluice::networkmanager
