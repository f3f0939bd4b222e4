#pragma once

#include "crypto/certificate.hpp"
#include "ike/connection.hpp"
#include "ike/incoming.hpp"

namespace keysluice::ike {

// AUTH payloads that carry a signature: method 14 (RFC 7427, RFC 8420) where both ends have told which hash functions
// they know, otherwise RSA's method 1 (RFC 7296 section 3.8) and ECDSA's 9 to 11 (RFC 4754).

/// Identifiers of IANA's registry "IKEv2 Hash Algorithms"; empty: none were told.
using HashIds = std::vector<std::uint16_t>;

/// Tells which ones we know.
[[nodiscard]] wire::NotifyPayload hash_algorithms();
/// What the peer told in IKE_SA_INIT. Of a list that is longer than any should be, the beginning.
[[nodiscard]] HashIds read_hash_algorithms(const Payloads& payloads);

/// How we are going to sign.
struct SigningPlan {
    wire::AuthMethod method = wire::AuthMethod::digital_signature;
    crypto::SignatureScheme scheme = crypto::SignatureScheme::ed25519;
};

/// What our key and the peer's abilities allow. `peer_proof` is the peer's own AUTH payload where we know it: of the
/// two ways to sign with RSA we take the peer's, and PSS before we know. SHA-1 only where `allow_sha1`. Fails with
/// "signature-hash" (no common one) or "signature-weak".
[[nodiscard]] Result<SigningPlan> plan_signature(crypto::KeyKind key, const HashIds& peer_hashes,
                                                 const wire::AuthPayload* peer_proof, bool allow_sha1);
/// Fails with "signing-failed" for what is no signature of the plan's scheme.
[[nodiscard]] Result<wire::AuthPayload> signed_proof(const SigningPlan& plan, crypto::KeyKind key, Bytes signature);

/// Whether the holder of the certificate's key signed `octets`. Fails with "auth-method" (a method or an algorithm
/// that is not for this key, or unknown), "signature-weak" (SHA-1 without `allow_sha1`) or "auth-failed".
[[nodiscard]] Result<void> check_signature(const wire::AuthPayload& proof, const crypto::Certificate& certificate,
                                           Bytes octets, bool allow_sha1);

}  // namespace keysluice::ike
