#pragma once

#include <string_view>

/// The names by which the kernel knows algorithms (net/xfrm/xfrm_algo.c): templates of its crypto API.
namespace keysluice::xfrm::algorithms {

/// AEAD: the key has its salt behind it (RFC 4106 section 8.1 and its siblings).
inline constexpr std::string_view kAesGcm = "rfc4106(gcm(aes))";
inline constexpr std::string_view kAesCcm = "rfc4309(ccm(aes))";
inline constexpr std::string_view kChaCha20Poly1305 = "rfc7539esp(chacha20,poly1305)";

inline constexpr std::string_view kAesCbc = "cbc(aes)";
/// The key has the nonce of RFC 3686 behind it.
inline constexpr std::string_view kAesCtr = "rfc3686(ctr(aes))";
inline constexpr std::string_view k3DesCbc = "cbc(des3_ede)";
inline constexpr std::string_view kNullCipher = "ecb(cipher_null)";

inline constexpr std::string_view kHmacMd5 = "hmac(md5)";
inline constexpr std::string_view kHmacSha1 = "hmac(sha1)";
inline constexpr std::string_view kHmacSha256 = "hmac(sha256)";
inline constexpr std::string_view kHmacSha384 = "hmac(sha384)";
inline constexpr std::string_view kHmacSha512 = "hmac(sha512)";
inline constexpr std::string_view kAesXcbc = "xcbc(aes)";
inline constexpr std::string_view kAesCmac = "cmac(aes)";

}  // namespace keysluice::xfrm::algorithms
