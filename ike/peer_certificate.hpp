#pragma once

#include <chrono>

#include "ike/events.hpp"
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

/// The first of them, where an authority vouches for it and it is made out to this identity; there is one at least.
/// Fails with "certificate-malformed", "certificate-identity" and the reasons of crypto::Authorities.
[[nodiscard]] Result<crypto::Certificate> verify_chain(const std::vector<wire::Octets>& octets,
                                                       const wire::Identity& identity,
                                                       const crypto::Authorities& authorities,
                                                       std::chrono::system_clock::time_point now);
/// What TLS answered to AnswerTls, before anybody has looked at the peer's certificate.
struct TlsUnchecked {
    TlsAnswered answer;
    std::vector<wire::Octets> chain;  ///< empty: none has come yet
    wire::Identity identity;
    ConnectionPtr connection;
};
/// The answer to AnswerTls, on any thread. In place of what a peer is not to hear or to have proved, it has the
/// reasons of verify_chain(), each with its alert, or "certificate-missing".
[[nodiscard]] TlsAnswered check_tls_peer(const TlsUnchecked& job, std::chrono::system_clock::time_point now);
/// Does what VerifyPeer asks for, on any thread. It takes about a millisecond. Fails with the reasons of
/// crypto::Authorities::verify() and check_signature(), with "certificate-malformed" and "certificate-identity".
[[nodiscard]] Result<void> verify_peer(const VerifyPeer& job, std::chrono::system_clock::time_point now);

}  // namespace keysluice::ike
