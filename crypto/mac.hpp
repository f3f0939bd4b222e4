#pragma once

#include <array>
#include <span>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/openssl.hpp"

namespace keysluice::crypto {

enum class MacAlgorithm { hmac_md5, hmac_sha1, hmac_sha256, hmac_sha384, hmac_sha512, aes128_xcbc, aes128_cmac };

/// Bytes of the whole, untruncated output.
[[nodiscard]] std::size_t output_size(MacAlgorithm algorithm);

/// Message authentication codes, with one context for each algorithm that is re-keyed for each message: an IKE SA
/// keeps raw keys and no context of its own. For one thread.
class Macs {
   public:
    /// The code over all `parts`, cut to `out`'s size. Fails with "crypto-unavailable" where the library lacks the
    /// algorithm. AES keys have 16 bytes here.
    Result<void> compute(MacAlgorithm algorithm, Bytes key, std::span<const Bytes> parts, MutableBytes out);
    /// Constant-time.
    Result<bool> verify(MacAlgorithm algorithm, Bytes key, std::span<const Bytes> parts, Bytes code);

   private:
    Result<EVP_MAC_CTX*> keyed(MacAlgorithm algorithm, Bytes key);
    Result<void> compute_xcbc(Bytes key, std::span<const Bytes> parts, MutableBytes out);

    /// By algorithm, made when first used; AES-XCBC, which OpenSSL lacks, has none here but a cipher below.
    std::array<MacContextPtr, 7> contexts_;
    CipherPtr aes_;
    CipherContextPtr aes_context_;
};

}  // namespace keysluice::crypto
