#pragma once

#include "ike/exchange.hpp"

namespace keysluice::ike {

// How long the proofs of an IKE_AUTH count (Connection::reauth_time), and the peer's word for it, AUTH_LIFETIME
// (RFC 4478). Rekeying an IKE SA proves nothing, so its successor has what is left.
//
// Who leads begins another IKE SA up to a tenth before the time is over, and earlier where the peer counts less: in
// the ninth tenth of an AUTH_LIFETIME. It closes the old one when a tenth more has passed, at least a minute, or when
// the peer's time is over. The other end tells its own time, and closes the IKE SA when that is over.

/// Both ends are authenticated.
void begin_lifetime(Context& context, Sa& sa);
/// Tells an initiator of the time.
void announce_lifetime(const Sa& sa, Payloads& answer);
/// The peer may tell of another one in any message.
void heed_lifetime(Context& context, Sa& sa, const Payloads& payloads);
/// Of an IKE SA that is rekeyed; what it was to come in the place of, or what in its place, knows of the successor.
void hand_over_lifetime(Context& context, Sa& from, Sa& to);

}  // namespace keysluice::ike
