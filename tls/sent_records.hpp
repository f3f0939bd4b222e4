#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace keysluice::tls {

/// Reads along in our own handshake output for two numbers that OpenSSL does not tell.
class SentRecords {
   public:
    /// The whole records of one flight.
    void note(Bytes flight);

    /// TLS 1.2 GCM and CCM: the explicit nonce of our Finished, the first record behind ChangeCipherSpec.
    [[nodiscard]] std::uint64_t finished_nonce() const { return finished_nonce_; }
    /// Records in the last flight that was noted.
    [[nodiscard]] std::uint64_t in_last_flight() const { return in_last_flight_; }

   private:
    bool cipher_changed_ = false;
    std::uint64_t finished_nonce_ = 0;
    std::uint64_t in_last_flight_ = 0;
};

}  // namespace keysluice::tls
