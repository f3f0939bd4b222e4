#include "ktls/alert.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace keysluice::ktls {
namespace {

struct Named {
    AlertDescription description;
    std::string_view name;
};

constexpr std::array kNames{
    Named{AlertDescription::close_notify, "close_notify"},
    Named{AlertDescription::unexpected_message, "unexpected_message"},
    Named{AlertDescription::bad_record_mac, "bad_record_mac"},
    Named{AlertDescription::decryption_failed, "decryption_failed"},
    Named{AlertDescription::record_overflow, "record_overflow"},
    Named{AlertDescription::decompression_failure, "decompression_failure"},
    Named{AlertDescription::handshake_failure, "handshake_failure"},
    Named{AlertDescription::no_certificate, "no_certificate"},
    Named{AlertDescription::bad_certificate, "bad_certificate"},
    Named{AlertDescription::unsupported_certificate, "unsupported_certificate"},
    Named{AlertDescription::certificate_revoked, "certificate_revoked"},
    Named{AlertDescription::certificate_expired, "certificate_expired"},
    Named{AlertDescription::certificate_unknown, "certificate_unknown"},
    Named{AlertDescription::illegal_parameter, "illegal_parameter"},
    Named{AlertDescription::unknown_ca, "unknown_ca"},
    Named{AlertDescription::access_denied, "access_denied"},
    Named{AlertDescription::decode_error, "decode_error"},
    Named{AlertDescription::decrypt_error, "decrypt_error"},
    Named{AlertDescription::export_restriction, "export_restriction"},
    Named{AlertDescription::protocol_version, "protocol_version"},
    Named{AlertDescription::insufficient_security, "insufficient_security"},
    Named{AlertDescription::internal_error, "internal_error"},
    Named{AlertDescription::inappropriate_fallback, "inappropriate_fallback"},
    Named{AlertDescription::user_canceled, "user_canceled"},
    Named{AlertDescription::no_renegotiation, "no_renegotiation"},
    Named{AlertDescription::missing_extension, "missing_extension"},
    Named{AlertDescription::unsupported_extension, "unsupported_extension"},
    Named{AlertDescription::certificate_unobtainable, "certificate_unobtainable"},
    Named{AlertDescription::unrecognized_name, "unrecognized_name"},
    Named{AlertDescription::bad_certificate_status_response, "bad_certificate_status_response"},
    Named{AlertDescription::bad_certificate_hash_value, "bad_certificate_hash_value"},
    Named{AlertDescription::unknown_psk_identity, "unknown_psk_identity"},
    Named{AlertDescription::certificate_required, "certificate_required"},
    Named{AlertDescription::no_application_protocol, "no_application_protocol"},
};

/// RFC 8446 6.1 and RFC 5246 7.2.2: these are sent at the level of a warning, every other one is fatal.
bool is_warning(AlertDescription description) {
    return description == AlertDescription::close_notify || description == AlertDescription::user_canceled ||
           description == AlertDescription::no_renegotiation;
}

}  // namespace

std::string_view name(AlertDescription description) {
    const auto* const found = std::ranges::find(kNames, description, &Named::description);
    return found == kNames.end() ? "unknown" : found->name;
}

AlertMeaning meaning(const Alert& alert, Version version) {
    if (alert.description == AlertDescription::close_notify) {
        return AlertMeaning::closed;
    }
    switch (version) {
        case Version::tls12:
            return alert.level == AlertLevel::warning ? AlertMeaning::ignored : AlertMeaning::failed;
        case Version::tls13:
            // RFC 8446 6: "All the alerts listed in Section 6.2 MUST be sent with AlertLevel=fatal and MUST be
            // treated as error alerts when received regardless of the AlertLevel in the message. Unknown Alert types
            // MUST be treated as error alerts."
            return alert.description == AlertDescription::user_canceled ? AlertMeaning::ignored
                                                                        : AlertMeaning::failed;
    }
    return AlertMeaning::failed;
}

Result<Alert> parse_alert(Bytes record) {
    Reader reader{record};
    const auto level = reader.be<std::uint8_t>();
    const auto description = reader.be<std::uint8_t>();
    if (!reader.finished()) {
        return fail("malformed-alert", fmt::format("the peer sent an alert of {} bytes, expected 2", record.size()));
    }
    if (level != static_cast<std::uint8_t>(AlertLevel::warning) &&
        level != static_cast<std::uint8_t>(AlertLevel::fatal)) {
        return fail("malformed-alert", fmt::format("the peer sent an alert of level {}, expected 1 or 2", level));
    }
    return Alert{AlertLevel{level}, AlertDescription{description}};
}

std::array<std::uint8_t, 2> encode_alert(AlertDescription description) {
    const AlertLevel level = is_warning(description) ? AlertLevel::warning : AlertLevel::fatal;
    return {static_cast<std::uint8_t>(level), static_cast<std::uint8_t>(description)};
}

}  // namespace keysluice::ktls
