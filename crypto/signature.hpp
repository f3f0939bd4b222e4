#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/openssl.hpp"

namespace keysluice::crypto {

enum class KeyKind : std::uint8_t { rsa, ecdsa_p256, ecdsa_p384, ecdsa_p521, ed25519, ed448 };

/// In the order of KeyKind.
inline constexpr std::array<std::string_view, 6> kKeyKindNames{"RSA",         "ECDSA P-256", "ECDSA P-384",
                                                               "ECDSA P-521", "Ed25519",     "Ed448"};
[[nodiscard]] constexpr std::string_view name_of(KeyKind kind) {
    return kKeyKindNames.at(static_cast<std::size_t>(kind));
}

/// How a message is signed. PSS has a salt as long as its hash, and MGF1 over the same hash (RFC 7427 appendix A.4).
enum class SignatureScheme : std::uint8_t {
    rsa_sha1,
    rsa_sha256,
    rsa_sha384,
    rsa_sha512,
    rsa_pss_sha256,
    rsa_pss_sha384,
    rsa_pss_sha512,
    ecdsa_sha256,
    ecdsa_sha384,
    ecdsa_sha512,
    ed25519,
    ed448,
};
inline constexpr std::size_t kSignatureSchemes = 12;

/// What a key is; nothing for a kind that is not in KeyKind.
[[nodiscard]] std::optional<KeyKind> kind_of(const EVP_PKEY& key);
/// Whether keys of this kind can make such signatures.
[[nodiscard]] bool fits(KeyKind kind, SignatureScheme scheme);

/// ECDSA signatures are in DER (ECDSA-Sig-Value). Fails with "signing-failed".
[[nodiscard]] Result<std::vector<std::uint8_t>> sign(EVP_PKEY& key, SignatureScheme scheme, Bytes message);
[[nodiscard]] bool verify(EVP_PKEY& key, SignatureScheme scheme, Bytes message, Bytes signature);

/// RFC 4754 writes an ECDSA signature as r and s side by side, each as long as the order of the curve: `width`
/// octets. Empty where the signature is not in DER, or too large.
[[nodiscard]] std::vector<std::uint8_t> ecdsa_to_plain(Bytes der, std::size_t width);
/// Empty where `plain` can't be halved.
[[nodiscard]] std::vector<std::uint8_t> ecdsa_from_plain(Bytes plain);

}  // namespace keysluice::crypto
