#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "ktls/types.hpp"

namespace keysluice::ktls {

/// RFC 8446 6 and, for those that only older versions send, RFC 5246 7.2. A peer may send any other value.
enum class AlertDescription : std::uint8_t {
    close_notify = 0,
    unexpected_message = 10,
    bad_record_mac = 20,
    decryption_failed = 21,  // RFC 5246: reserved
    record_overflow = 22,
    decompression_failure = 30,  // RFC 5246
    handshake_failure = 40,
    no_certificate = 41,  // RFC 5246: reserved
    bad_certificate = 42,
    unsupported_certificate = 43,
    certificate_revoked = 44,
    certificate_expired = 45,
    certificate_unknown = 46,
    illegal_parameter = 47,
    unknown_ca = 48,
    access_denied = 49,
    decode_error = 50,
    decrypt_error = 51,
    export_restriction = 60,  // RFC 5246: reserved
    protocol_version = 70,
    insufficient_security = 71,
    internal_error = 80,
    inappropriate_fallback = 86,
    user_canceled = 90,
    no_renegotiation = 100,  // RFC 5246
    missing_extension = 109,
    unsupported_extension = 110,
    certificate_unobtainable = 111,  // RFC 6066
    unrecognized_name = 112,
    bad_certificate_status_response = 113,
    bad_certificate_hash_value = 114,  // RFC 6066
    unknown_psk_identity = 115,
    certificate_required = 116,
    no_application_protocol = 120,
};

/// The name as the RFCs write it, "unknown" for any other value.
[[nodiscard]] std::string_view name(AlertDescription description);

enum class AlertLevel : std::uint8_t { warning = 1, fatal = 2 };

struct Alert {
    AlertLevel level;
    AlertDescription description;

    bool operator==(const Alert&) const = default;
};

/// What an alert means for the connection.
enum class AlertMeaning {
    /// close_notify: the peer has sent everything. The other direction may go on (RFC 8446 6.1).
    closed,
    /// Nothing happens.
    ignored,
    /// The connection is over in both directions, and no close_notify follows (RFC 8446 6.2).
    failed,
};
[[nodiscard]] AlertMeaning meaning(const Alert& alert, Version version);

/// The alert in a record. RFC 8446 5.1: "Alert messages MUST NOT be fragmented across records, and multiple alert
/// messages MUST NOT be coalesced into a single TLSPlaintext record": so it is two bytes, and anything else fails
/// with "malformed-alert". For TLS 1.2, which allows both, this is stricter than the RFC: nobody sends such alerts.
[[nodiscard]] Result<Alert> parse_alert(Bytes record);

/// The record's payload for an alert that this side sends, at the level that the RFCs give to it.
[[nodiscard]] std::array<std::uint8_t, 2> encode_alert(AlertDescription description);

}  // namespace keysluice::ktls
