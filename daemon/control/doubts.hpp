#pragma once

#include "daemon/control/configuration.hpp"

namespace keysluice::control {

/// What the services' settings permit and a person should know of: servers that are not verified, plaintext that
/// other hosts may send, groups that this machine's OpenSSL lacks.
[[nodiscard]] Diagnostics doubts_about(const Configuration& configuration);

}  // namespace keysluice::control
