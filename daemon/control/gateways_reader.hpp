#pragma once

#include "daemon/control/ike_configuration.hpp"
#include "daemon/control/section.hpp"

namespace keysluice::control {

/// The keys of a connection that say who the peer is to be found as: `remote`, one or several, and how one of several
/// is chosen. Comes after `local`. Returns whether anybody may be the peer.
[[nodiscard]] bool read_gateways(Section& section, IkeConnection& connection);

}  // namespace keysluice::control
