#pragma once

#include "daemon/control/ike_configuration.hpp"
#include "daemon/control/section.hpp"

namespace keysluice::control {

/// The keys of a connection that are about its XFRM interface. Comes after its children.
void read_interface(Section& section, IkeConnection& connection);

/// Refuses connections that say different things about the same interface.
void check_interfaces(const IkeConfiguration& ike, Diagnostics& diagnostics);

}  // namespace keysluice::control
