#pragma once

#include "ike/events.hpp"
#include "ike/sa.hpp"

namespace keysluice::ike {

// Whether the peer is there (RFC 7296 section 2.4): "Receipt of a fresh cryptographically protected message on an IKE
// SA or any of its Child SAs ensures liveness of the IKE SA and all of its Child SAs."
//
// So before the peer is asked, the kernel is: twice in the time `liveness`. Whose ESP comes is there, and is not
// asked. Where packets go and none has come since the look before, the peer is asked: between half of that time and
// the whole of it after the first of them. Where nothing passes either way, after `liveness_idle` only. A kernel that
// can't tell leaves the peer to be asked after `liveness`.

/// When the traffic is to be counted next; Instant::max() for never.
[[nodiscard]] Instant next_look(const Sa& sa);

/// At that moment.
void look_at_traffic(Context& context, Sa& sa);
void on_traffic(Context& context, Sa& sa, const TrafficCounted& event);

}  // namespace keysluice::ike
