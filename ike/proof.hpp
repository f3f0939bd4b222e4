#pragma once

#include "ike/exchange.hpp"
#include "ike/signature_auth.hpp"

namespace keysluice::ike {

// What stands in the AUTH payload (RFC 7296 section 2.15): codes made with a pre-shared key are computed here,
// signatures are asked for.

/// Our code, with the key for this peer. Fails with "no-shared-key".
[[nodiscard]] Result<wire::AuthPayload> own_key_proof(Context& context, const Sa& sa, const wire::Identity& peer);
/// The peer's, in the payloads of its IKE_AUTH, where identity and proof are. Fails with "no-shared-key" and
/// "auth-failed".
[[nodiscard]] Result<void> check_key_proof(Context& context, const Sa& sa, const Payloads& payloads);

/// Both with the key that EAP made (RFC 7296 section 2.16), and the peer's identity in its first IKE_AUTH, which
/// waits in the negotiation. Fails with "auth-failed".
[[nodiscard]] Result<wire::AuthPayload> own_eap_proof(Context& context, const Sa& sa);
[[nodiscard]] Result<void> check_eap_proof(Context& context, const Sa& sa, const wire::AuthPayload& proof);

/// How our signature is made; the peer's IKE_AUTH, where it came first, stands in the negotiation. Fails as
/// plan_signature().
[[nodiscard]] Result<SigningPlan> signing_plan(const Sa& sa);
/// Emits Sign.
[[nodiscard]] Result<void> ask_for_signature(Context& context, const Sa& sa);
/// Emits VerifyPeer for the IKE_AUTH in the negotiation. Fails as certificates_in().
[[nodiscard]] Result<void> ask_for_verification(Context& context, const Sa& sa);

/// Our CERT payloads, where a signature is our proof.
void add_certificates(Payloads& payloads, const Connection& connection);

}  // namespace keysluice::ike
