#include "tls/failure.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace keysluice::tls {

namespace {

struct Known {
    int openssl_reason;
    std::string_view reason;
    std::string_view sentence;
};

constexpr std::string_view kNoSharedCipher =
    "the peer and this service have no cipher in common; TLS 1.3 or an ECDHE suite with AES-GCM, AES-CCM or "
    "ChaCha20-Poly1305 is expected";
constexpr std::string_view kNoSharedGroup =
    "the peer and this service have no group for key exchange in common; key_exchange_groups says what is expected";
constexpr std::string_view kVersionTooOld =
    "the peer and this service have no TLS version in common; min_version and max_version say what is expected";
constexpr std::string_view kOverflow = "the peer sent a record or message that is longer than TLS allows";
constexpr std::string_view kBadMac = "a record failed authentication: it was changed on the way, or the keys differ";
constexpr std::string_view kFlood = "the peer sent record after record without any data in them";

constexpr std::array kKnown{
    Known{SSL_R_NO_SHARED_CIPHER, "no-shared-cipher", kNoSharedCipher},
    Known{SSL_R_NO_SUITABLE_KEY_SHARE, "no-shared-group", kNoSharedGroup},
    Known{SSL_R_NO_APPLICATION_PROTOCOL, "no-shared-protocol",
          "the client and this service have no application protocol in common; alpn says what is expected"},
    Known{SSL_R_UNSUPPORTED_PROTOCOL, "version-too-old", kVersionTooOld},
    Known{SSL_R_VERSION_TOO_LOW, "version-too-old", kVersionTooOld},
    Known{SSL_R_WRONG_SSL_VERSION, "version-too-old", kVersionTooOld},
    Known{SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "client-certificate-missing",
          "the client sent no certificate, and this service requires one"},
    Known{SSL_R_CERTIFICATE_VERIFY_FAILED, "certificate-rejected", "the peer's certificate does not verify"},
    Known{SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "bad-record-mac", kBadMac},
    Known{SSL_R_DATA_LENGTH_TOO_LONG, "record-overflow", kOverflow},
    Known{SSL_R_ENCRYPTED_LENGTH_TOO_LONG, "record-overflow", kOverflow},
    Known{SSL_R_PACKET_LENGTH_TOO_LONG, "record-overflow", kOverflow},
    Known{SSL_R_EXCESSIVE_MESSAGE_SIZE, "record-overflow", kOverflow},
    Known{SSL_R_RECORD_TOO_SMALL, "record-flood", kFlood},
    Known{SSL_R_TOO_MANY_WARN_ALERTS, "record-flood", "the peer sent warning after warning"},
    Known{SSL_R_WRONG_VERSION_NUMBER, "not-tls", "the peer does not speak TLS"},
    Known{SSL_R_HTTP_REQUEST, "plain-http", "the peer spoke plain HTTP to a TLS port; it should use https://"},
};

/// SSL_R_RECORD_LAYER_FAILURE, which the headers of OpenSSL 3.0 lack. Newer versions put it on top of what the record
/// layer found.
constexpr int kRecordLayerFailure = 313;

/// OpenSSL's own words, "no shared cipher", without numbers and file names.
std::string text_of(unsigned long code) {
    const char* text = ERR_reason_error_string(code);
    return text != nullptr ? text : fmt::format("OpenSSL error {:#x}", code);
}

/// How much an error tells of what happened.
int weight_of(unsigned long code) {
    if (ERR_GET_LIB(code) != ERR_LIB_SSL) {
        return 0;
    }
    return ERR_GET_REASON(code) == kRecordLayerFailure ? 1 : 2;
}

/// The error that says what happened: the newest of those that tell the most.
unsigned long take_code() {
    unsigned long found = 0;
    while (const unsigned long code = ERR_get_error()) {
        if (weight_of(code) >= weight_of(found)) {
            found = code;
        }
    }
    return found;
}

}  // namespace

Error take_failure(std::string_view fallback) {
    const unsigned long code = take_code();
    const int reason = ERR_GET_REASON(code);
    if (ERR_GET_LIB(code) != ERR_LIB_SSL) {
        return {fallback, fmt::format("OpenSSL gave up: {}", code != 0 ? text_of(code) : "no reason given")};
    }
    if (reason >= SSL_AD_REASON_OFFSET) {
        return {"peer-alert", fmt::format("the peer refused with the alert \"{}\"",
                                          SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET))};
    }
    const auto* known = std::ranges::find(kKnown, reason, &Known::openssl_reason);
    if (known != kKnown.end()) {
        return {known->reason, std::string(known->sentence)};
    }
    return {fallback, fmt::format("OpenSSL gave up: {}", text_of(code))};
}

}  // namespace keysluice::tls
