#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.hpp"
#include "crypto/aead.hpp"
#include "tls/record.hpp"
#include "tls/types.hpp"

namespace keysluice::testing {

/// Writes and reads TLS records as a kernel would: from exported keys alone, numbering them itself.
class RecordProtection {
   public:
    RecordProtection(tls::Version version, tls::Cipher cipher, const tls::DirectionKeys& keys);

    std::vector<std::uint8_t> seal(tls::ContentType type, Bytes plaintext);
    /// The plaintext, in TLS 1.3 with its inner type behind it, padding removed.
    Result<std::vector<std::uint8_t>> open(Bytes record);

   private:
    [[nodiscard]] bool has_explicit_nonce() const;
    [[nodiscard]] std::vector<std::uint8_t> nonce(std::uint64_t explicit_part) const;
    [[nodiscard]] std::vector<std::uint8_t> additional(std::uint8_t type, std::size_t plain,
                                                       std::size_t sealed) const;

    tls::Version version_;
    tls::Cipher cipher_;
    crypto::Aead aead_;
    std::vector<std::uint8_t> iv_;
    std::uint64_t next_nonce_;
    std::uint64_t sequence_;
};

}  // namespace keysluice::testing
