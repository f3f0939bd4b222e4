#include "base/flood_guard.hpp"

#include <algorithm>

namespace keysluice {

namespace {

constexpr std::uint8_t kKeyUpdate = 24;  // RFC 8446 4

}  // namespace

void FloodGuard::handshake_message(std::uint8_t type) {
    ++spent_;
    last_was_key_update_ = type == kKeyUpdate;
}

void FloodGuard::data(std::size_t bytes) {
    bytes_ += bytes;
    earn(bytes_ / kBytesPerCredit);
    bytes_ %= kBytesPerCredit;
}

void FloodGuard::rest(Duration time) {
    rested_ += time;
    earn(static_cast<std::uint64_t>(rested_ / kTimePerCredit));
    rested_ %= kTimePerCredit;
}

void FloodGuard::earn(std::uint64_t credits) {
    spent_ -= static_cast<std::uint32_t>(std::min<std::uint64_t>(credits, spent_));
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

}  // namespace keysluice
