#pragma once

#include <chrono>

#include "ike/actions.hpp"
#include "ike/incoming.hpp"

namespace keysluice::ike {

/// Of all certificates that a peer may send.
inline constexpr std::size_t kMostChainOctets = 32'768;

/// Whether one of both ends has one to show.
[[nodiscard]] bool uses_certificates(const Connection& connection);

/// Adds a CERTREQ payload that names the authorities whose certificates these connections accept, or some of them: it
/// rides in IKE_SA_INIT, which can't be fragmented. Nothing where none of them wants a certificate.
void ask_for_certificates(Payloads& payloads, const std::vector<ConnectionPtr>& connections);

/// The certificates in a message's CERT payloads, leaf first, as they came. Fails with certificate-missing,
/// certificate-encoding (hash and URL, or a leaf that is no X.509 certificate), certificate-chain-long.
[[nodiscard]] Result<std::vector<wire::Octets>> certificates_in(const Payloads& payloads);

/// Whether the certificate is made out to this identity: FQDN, e-mail and IP addresses are looked for in
/// subjectAltName, a DN is the subject.
[[nodiscard]] bool belongs_to(const crypto::Certificate& certificate, const wire::Identity& identity);

/// Does what VerifyPeer asks for, on any thread. It takes about a millisecond. Fails with the reasons of
/// crypto::Authorities::verify() and check_signature(), with "certificate-malformed" and "certificate-identity".
[[nodiscard]] Result<void> verify_peer(const VerifyPeer& job, std::chrono::system_clock::time_point now);

}  // namespace keysluice::ike
