#pragma once

#include <openssl/provider.h>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/openssl.hpp"

namespace keysluice::crypto {

/// MD4 and single DES, which are broken, and which MS-CHAP-V2 is made of. They come from OpenSSL's provider "legacy",
/// loaded on first use into a library context of its own: nothing else of this process can come to use them. For one
/// thread.
class LegacyAlgorithms {
   public:
    /// Fails with "legacy-provider" where OpenSSL has no such module.
    [[nodiscard]] Result<void> load();

    /// Both fail as load().
    [[nodiscard]] Result<Secret<16>> md4(Bytes bytes);
    /// DES of one block of 8 bytes, with a key of 7 bytes, to which the parity bits are added here.
    [[nodiscard]] Result<void> des(Bytes key, Bytes block, MutableBytes out);

   private:
    // The order in which they are made: they go the other way round.
    std::unique_ptr<OSSL_LIB_CTX, Free<OSSL_LIB_CTX_free>> library_;
    std::unique_ptr<OSSL_PROVIDER, Free<OSSL_PROVIDER_unload>> provider_;
    std::unique_ptr<EVP_MD, Free<EVP_MD_free>> md4_;
    CipherPtr des_;
};

}  // namespace keysluice::crypto
