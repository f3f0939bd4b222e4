#pragma once

#include "ike/exchange.hpp"

namespace keysluice::ike {

/// How long whoever has put an IKE SA in the place of another one may take to delete that.
inline constexpr Duration kDeletePatience = std::chrono::minutes(3);

// Rekeying the IKE SA itself (RFC 7296 sections 1.3.2, 2.8.2, 2.18).

[[nodiscard]] IkeOffer new_ike_offer(Context& context, const Sa& sa);
void start_rekey_ike(Context& context, Sa& sa, IkeOffer& offer);
void on_rekey_ike_response(Context& context, Sa& sa, IkeOffer offer, const Incoming& message);
void on_rekey_ike_request(Context& context, Sa& sa, const Incoming& message);

/// Whether a CREATE_CHILD_SA request is one for the IKE SA itself.
[[nodiscard]] bool rekeys_ike(const Payloads& payloads);

/// The peer uses the IKE SA that its rekeying made. Where a rekeying of ours is under way at the same time, it has
/// lost: the peer saw nothing of it, or both nonces, and either way the children are this one's.
void inherit_before_use(Context& context, Sa& sa);
/// This IKE SA ends, and a rekeying of ours with it. Where one of the peer's, at the same time, has made an IKE SA,
/// that one gets the children, as the peer thinks too. False: there is none.
bool leave_to_rival(Context& context, Sa& sa);
/// The CHILD SAs and what waits to be done for them go to the IKE SA that takes over.
void hand_over(Context& context, Sa& from, Sa& to);

}  // namespace keysluice::ike
