#pragma once

#include <functional>
#include <string>

#include "dbus/compat.hpp"

namespace keysluice::bus {

/// Calls `changed` when a name on the bus has another owner, or none any more (empty), as long as the slot lives; it
/// must not end inside the call. `which` narrows that down as match rules do: "arg0='org.keysluice1'". Throws
/// sdbus::Error where the bus is gone.
[[nodiscard]] sdbus::Slot watch_name_owners(
    sdbus::IConnection& connection, const std::string& which,
    std::function<void(const std::string& name, const std::string& owner)> changed);

/// Who has the name now; empty: nobody. The answer comes later.
void ask_name_owner(sdbus::IProxy& bus, const std::string& name, std::function<void(const std::string& owner)> then);

/// The message bus itself.
[[nodiscard]] std::unique_ptr<sdbus::IProxy> message_bus(sdbus::IConnection& connection);

}  // namespace keysluice::bus
