#pragma once

#include "ike/exchange.hpp"

namespace keysluice::ike {

// IKE_AUTH (RFC 7296 section 1.2): each end proves its identity, and the first CHILD SA is made.

/// Initiator: IKE_SA_INIT is through.
void start_auth(Context& context, Sa& sa);
void on_auth_response(Context& context, Sa& sa, const Incoming& message);

/// Responder.
void on_auth_request(Context& context, Sa& sa, const Incoming& message);

/// Both ends know who the other is.
void enter_established(Context& context, Sa& sa);

}  // namespace keysluice::ike
