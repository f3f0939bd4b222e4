#pragma once

#include "ike/events.hpp"
#include "ike/exchange.hpp"

namespace keysluice::ike {

// IKE_AUTH (RFC 7296 section 1.2): each end proves its identity, and the first CHILD SA is made.

/// Initiator: IKE_SA_INIT is through.
void start_auth(Context& context, Sa& sa);
void on_auth_response(Context& context, Sa& sa, const Incoming& message);

/// Responder.
void on_auth_request(Context& context, Sa& sa, const Incoming& message);

/// How long a signature may take to be made, or a certificate to be checked.
inline constexpr Duration kAuthPatience = std::chrono::seconds(15);

/// The answers to Sign and VerifyPeer; what is not waited for is ignored.
void on_signed(Context& context, Sa& sa, const Signed& event);
void on_peer_verified(Context& context, Sa& sa, const PeerVerified& event);
/// Asks for what the SA waits for, in a process that has not yet done so.
void ask_again(Context& context, Sa& sa);
/// Responder: the peer has proved who it is, and `payloads` are our own proof. `message` has what the peer asked for
/// besides, and its IKE_AUTH is answered.
void admit_initiator(Context& context, Sa& sa, const Incoming& message, Payloads payloads);
/// Responder: the peer has not.
void refuse_peer(Context& context, Sa& sa, const Incoming& message, Error error);
/// Initiator: both have, and `payloads` say what becomes of the CHILD SA.
void accept_responder(Context& context, Sa& sa, const Payloads& payloads);
/// Initiator: the peer trusts us, and we don't trust it.
void distrust_responder(Context& context, Sa& sa, Error error);
/// Initiator: why there is no proof in the peer's answer. "auth-refused".
[[nodiscard]] Error refused_auth(const Sa& sa, const Payloads& payloads);

/// Ends it, and tells the peer where it has to know.
void give_up_authentication(Context& context, Sa& sa, Error error);

/// Both ends know who the other is.
void enter_established(Context& context, Sa& sa);

}  // namespace keysluice::ike
