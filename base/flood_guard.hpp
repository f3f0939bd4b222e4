#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/instant.hpp"
#include "base/result.hpp"

namespace keysluice {

/// Limits what a peer can make an established TLS connection do without sending data. OpenSSL bounds empty records
/// and warning alerts itself, but neither KeyUpdates (since 1.1.1b) nor renegotiation attempts.
///
/// Each handshake message costs one credit; application data, in either direction, and time earn credits back. A peer
/// that changes its keys now and then never runs out, one that alternates KeyUpdates with single bytes does.
class FloodGuard {
   public:
    static constexpr std::uint32_t kBurst = 32;                  ///< messages in a row
    static constexpr std::size_t kBytesPerCredit = 64UL * 1024;  ///< data that earn one more
    static constexpr Duration kTimePerCredit = std::chrono::seconds(1);

    void handshake_message(std::uint8_t type);
    void data(std::size_t bytes);
    /// So much time went by.
    void rest(Duration time);
    /// The failure "key-update-flood" or "record-flood", once one has happened.
    [[nodiscard]] std::optional<Error> verdict() const;

   private:
    void earn(std::uint64_t credits);

    std::uint32_t spent_ = 0;
    std::size_t bytes_ = 0;
    Duration rested_{};
    bool last_was_key_update_ = false;
};

}  // namespace keysluice
