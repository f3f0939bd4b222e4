#pragma once

#include "ike/exchange.hpp"

namespace keysluice::ike {

// Where a peer behind a NAT is: RFC 7296 section 2.23.

/// An authentic message that was not seen before came this way.
void learn_address(Context& context, Sa& sa, const UdpEndpoint& local, const UdpEndpoint& remote);

/// The same of an authentic ESP packet of a CHILD SA. Half-open SAs have none.
void learn_esp_address(Context& context, Sa& sa, const UdpEndpoint& remote);

}  // namespace keysluice::ike
