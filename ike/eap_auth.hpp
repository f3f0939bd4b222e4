#pragma once

#include "ike/events.hpp"
#include "ike/exchange.hpp"

namespace keysluice::ike {

// EAP inside of IKE_AUTH (RFC 7296 section 2.16). The responder proves who it is in its first response; the initiator
// does in further rounds, at the end of which both prove that they know the key that EAP made. What becomes of the
// CHILD SA stands in the last response.

/// How long it may take as a whole, and how many packets either end may send. MSCHAPv2 takes three, and EAP-TLS one
/// for each fragment of its certificates.
inline constexpr Duration kEapPatience = std::chrono::seconds(60);
inline constexpr unsigned kMostEapRounds = 100;

/// Initiator: the peer's first response has proved who it is, and EAP begins in it.
void begin_eap(Context& context, Sa& sa, const Incoming& first);
void on_eap_response(Context& context, Sa& sa, const Incoming& message);

/// Responder: the peer's first request is answered with our own proof, `payloads`, and the beginning of EAP.
void offer_eap(Context& context, Sa& sa, const Incoming& first, Payloads payloads);
void on_eap_request(Context& context, Sa& sa, const Incoming& message);
/// It breaks off, some peers in place of an answer to our refusal, others since they don't believe us.
void on_eap_informational(Context& context, Sa& sa, const Incoming& message);

/// The answer to AnswerTls; what is not waited for is ignored.
void on_tls_answered(Context& context, Sa& sa, const TlsAnswered& event);
/// Emits AnswerTls in a process that took over.
void ask_tls_again(Context& context, Sa& sa);

/// "eap-timeout".
[[nodiscard]] Error late_eap(const Sa& sa);

}  // namespace keysluice::ike
