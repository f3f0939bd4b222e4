#pragma once

#include "ike/events.hpp"
#include "ike/exchange.hpp"

namespace keysluice::ike {

/// A message whose SPIs name this SA. What can't be authenticated changes nothing.
void on_message(Context& context, Sa& sa, const wire::Outer& message, const DatagramReceived& datagram);

/// What a protected message says.
void on_incoming(Context& context, Sa& sa, const Incoming& message, bool is_response);

/// A deadline of this SA has passed.
void on_time(Context& context, Sa& sa);

}  // namespace keysluice::ike
