#pragma once

#include "base/result.hpp"
#include "dbus/compat.hpp"

namespace keysluice::bus {

/// What a call failed with. The service's texts end with a reason code in parentheses, which becomes Error::reason;
/// where there is none, the name of the error on the bus decides, or it is `call-failed`.
[[nodiscard]] Error from_bus_error(const sdbus::Error& error);

}  // namespace keysluice::bus
