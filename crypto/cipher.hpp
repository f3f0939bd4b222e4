#pragma once

#include <array>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/openssl.hpp"

namespace keysluice::crypto {

/// The ciphers of IKE's own messages. Key sizes are those of the key alone: AES-GCM, -CCM, -CTR and ChaCha20 have a
/// salt or nonce besides (RFC 5282, 7634, 3686), which stands in the nonce here.
enum class Cipher {
    aes128_gcm,
    aes192_gcm,
    aes256_gcm,
    aes128_ccm,
    aes192_ccm,
    aes256_ccm,
    chacha20_poly1305,
    aes128_cbc,
    aes192_cbc,
    aes256_cbc,
    aes128_ctr,
    aes192_ctr,
    aes256_ctr,
    des3_cbc,
};

[[nodiscard]] std::size_t key_size(Cipher cipher);
/// AEAD: GCM and ChaCha20 12, CCM 11 (RFC 5282); CBC: the block; CTR: the whole 16 bytes counter block.
[[nodiscard]] std::size_t nonce_size(Cipher cipher);
/// 16 for AEADs, 0 otherwise.
[[nodiscard]] std::size_t tag_size(Cipher cipher);
/// 16 or 8 for CBC, 1 otherwise: plaintext must be a multiple of it.
[[nodiscard]] std::size_t block_size(Cipher cipher);

/// Encryption with algorithms that are looked up once and one context, which forgets the key after each message. For
/// one thread.
class Ciphers {
   public:
    /// Ciphertext and tag behind it; `out` is of plaintext's size plus tag_size(), and may begin where plaintext
    /// does. Only AEADs take `associated`. Fails with "seal-failed".
    Result<void> seal(Cipher cipher, Bytes key, Bytes nonce, Bytes associated, Bytes plaintext, MutableBytes out);
    /// `out` is of sealed's size less tag_size(), and may begin where sealed does; wiped on failure. Fails with
    /// "bad-tag" or "open-failed".
    Result<void> open(Cipher cipher, Bytes key, Bytes nonce, Bytes associated, Bytes sealed, MutableBytes out);

   private:
    enum class Direction { sealing, opening };
    bool start(Cipher cipher, Direction direction, Bytes key, Bytes nonce, Bytes tag);
    bool process(Cipher cipher, Bytes associated, Bytes in, MutableBytes out);

    std::array<CipherPtr, 14> fetched_;
    CipherContextPtr context_;
};

}  // namespace keysluice::crypto
