#pragma once

#include "daemon/control/section.hpp"
#include "daemon/shared/service.hpp"

namespace keysluice::control {

/// The keys that say how much a service takes: max_connections, max_handshakes_per_second, both also per address,
/// idle_timeout, connection_lifetime.
void read_limits(Section& section, Limits& limits);

}  // namespace keysluice::control
