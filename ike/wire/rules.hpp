#pragma once

#include "ike/wire/message.hpp"

namespace keysluice::ike::wire {

/// Which payloads each message has, how often, and which of them must be encrypted: a table (RFC 7296 appendix C),
/// checked before anybody looks at a message. `clear` is what stood outside of an encrypted payload, `inner` what
/// stood in it; without one, `had_encrypted` is false and `inner` empty.
///
/// Notifications and vendor ids may stand anywhere, and payloads that nobody knows are ignored (critical_unknown()
/// finds those that must not be). A response that reports an error, or asks for a cookie, is notifications alone.
///
/// What passes without encryption proves nothing: IKE_SA_INIT, and notifications that somebody without an SA sends
/// (RFC 7296 sections 1.5 and 2.21.4). Notifications in `clear` are no more than hints even beside an encrypted
/// payload.
///
/// Fails with "ike-exchange" for an exchange that we don't know, and with "ike-payloads" for a payload that is
/// missing, too many, out of place or not encrypted.
[[nodiscard]] Result<void> check(const Header& header, const std::vector<Payload>& clear,
                                 const std::vector<Payload>& inner, bool had_encrypted);

/// The type of the first payload that is both unknown and critical: the notification's data of
/// UNSUPPORTED_CRITICAL_PAYLOAD.
[[nodiscard]] std::optional<PayloadType> critical_unknown(const std::vector<Payload>& payloads);

}  // namespace keysluice::ike::wire
