#pragma once

#include <string>
#include <vector>

#include "daemon/control/ike_configuration.hpp"
#include "daemon/control/section.hpp"

namespace keysluice::control {

/// Reads an [[ike.pool]]. After a diagnostic it may be incomplete.
[[nodiscard]] IkePool read_ike_pool(const PlacedTable& table, Diagnostics& diagnostics);

/// The keys of a connection that are about addresses which one end gives the other.
void read_virtual_addresses(Section& section, IkeConnection& connection);

/// What concerns more than one table: gives each connection the pools that it names, and refuses pools that share
/// names or addresses.
void settle_pools(IkeConfiguration& ike, Diagnostics& diagnostics);

}  // namespace keysluice::control
