#pragma once

#include "daemon/control/ike_configuration.hpp"

namespace keysluice::control {

/// Reads the passwords of EAP, our own or those of users, and sees whether what their methods rest on is there.
/// Returns what is wrong: "password-unreadable", "password-size", "password-encoding", "legacy-provider".
[[nodiscard]] Diagnostics load_passwords(IkeConfiguration& ike, Diagnostics& warnings);

}  // namespace keysluice::control
