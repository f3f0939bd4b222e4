#pragma once

#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/openssl.hpp"

namespace keysluice::crypto {

enum class AeadAlgorithm { aes128_gcm, aes256_gcm, chacha20_poly1305, aes128_ccm };

/// Bytes of key.
[[nodiscard]] constexpr std::size_t key_size(AeadAlgorithm algorithm) {
    return algorithm == AeadAlgorithm::aes128_gcm || algorithm == AeadAlgorithm::aes128_ccm ? 16 : 32;
}

/// Authenticated encryption (RFC 5116) under one key, with 12-byte nonces and 16-byte tags.
///
/// It keeps no count of nonces: sealing twice with the same one gives the key away, so whoever calls counts.
class Aead {
   public:
    static constexpr std::size_t kNonceSize = 12;
    static constexpr std::size_t kTagSize = 16;

    /// Fails with "wrong-key-size" or "crypto-unavailable".
    static Result<Aead> make(AeadAlgorithm algorithm, Bytes key);

    /// The ciphertext and behind it the tag. Fails with "seal-failed".
    Result<std::vector<std::uint8_t>> seal(Bytes nonce, Bytes additional, Bytes plaintext);
    /// The same into memory of the plaintext's size and kTagSize, which the plaintext itself never comes to.
    Result<void> seal_into(MutableBytes sealed, Bytes nonce, Bytes additional, Bytes plaintext);
    /// The plaintext; nothing of it when the tag does not fit ("bad-tag").
    Result<std::vector<std::uint8_t>> open(Bytes nonce, Bytes additional, Bytes sealed);

   private:
    Aead(AeadAlgorithm algorithm, Bytes key, CipherContextPtr context)
        : algorithm_(algorithm), key_(key), context_(std::move(context)) {}
    bool start(bool encrypting, Bytes nonce, Bytes additional, std::size_t length, std::uint8_t* tag);

    AeadAlgorithm algorithm_;
    Secret<32> key_;
    CipherContextPtr context_;
};

}  // namespace keysluice::crypto
