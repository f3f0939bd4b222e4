#include "crypto/openssl.hpp"

#include <fmt/format.h>
#include <openssl/err.h>

#include <ctime>

namespace keysluice::crypto {

std::string take_openssl_error() {
    const unsigned long code = ERR_peek_last_error();
    ERR_clear_error();
    if (code == 0) {
        return {};
    }
    const char* text = ERR_reason_error_string(code);
    return text != nullptr ? text : fmt::format("OpenSSL error {:#x}", code);
}

std::optional<std::chrono::sys_seconds> moment_of(const ASN1_TIME* time) {
    std::tm date{};
    if (time == nullptr || ASN1_TIME_to_tm(time, &date) != 1) {
        ERR_clear_error();
        return std::nullopt;
    }
    return std::chrono::sys_seconds(std::chrono::seconds(timegm(&date)));
}

}  // namespace keysluice::crypto
