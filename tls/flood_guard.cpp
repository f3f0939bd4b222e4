#include "tls/flood_guard.hpp"

#include <openssl/ssl3.h>

#include <algorithm>

namespace keysluice::tls {

void FloodGuard::handshake_message(std::uint8_t type) {
    ++spent_;
    last_was_key_update_ = type == SSL3_MT_KEY_UPDATE;
}

void FloodGuard::data(std::size_t bytes) {
    bytes_ += bytes;
    const auto earned = static_cast<std::uint32_t>(std::min<std::size_t>(bytes_ / kBytesPerCredit, spent_));
    bytes_ %= kBytesPerCredit;
    spent_ -= earned;
}

std::optional<Error> FloodGuard::verdict() const {
    if (spent_ <= kBurst) {
        return std::nullopt;
    }
    if (last_was_key_update_) {
        return Error{"key-update-flood", "the peer changes its keys again and again and hardly sends any data"};
    }
    return Error{"record-flood", "the peer sends handshake messages again and again and hardly any data"};
}

}  // namespace keysluice::tls
