#pragma once

#include "ike/events.hpp"
#include "ike/exchange.hpp"

namespace keysluice::ike {

// What the kernel tells about CHILD SAs that it has.

void on_outbound_installed(Sa& sa, EspSpi inbound);

/// Deletes at the peer what the kernel has no more. Returns whether another one is to be made: not where this one was
/// about to go anyway, or has a successor on its way.
[[nodiscard]] bool on_child_lost(Context& context, Sa& sa, const ChildLost& event);

/// Rekeys the CHILD SA, unless that has begun.
void on_child_spent(Context& context, Sa& sa, EspSpi inbound);

}  // namespace keysluice::ike
