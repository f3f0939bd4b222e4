#include "crypto/openssl.hpp"

#include <fmt/format.h>
#include <openssl/err.h>

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

}  // namespace keysluice::crypto
