#pragma once

#include "crypto/mac.hpp"

namespace keysluice::crypto {

/// The pseudorandom functions of IKEv2 (RFC 7296 section 2.13, RFC 4868, 4434, 4615). The AES ones take keys of any
/// length.
enum class Prf { hmac_md5, hmac_sha1, hmac_sha256, hmac_sha384, hmac_sha512, aes128_xcbc, aes128_cmac };

/// Bytes of output, which is the preferred key length too.
[[nodiscard]] std::size_t output_size(Prf prf);

/// prf(key, parts…): fills `out`, of output_size() bytes.
Result<void> compute(Macs& macs, Prf prf, Bytes key, std::span<const Bytes> parts, MutableBytes out);

/// prf+ (RFC 7296 section 2.13): fills `out`, at most 255 outputs.
Result<void> prf_plus(Macs& macs, Prf prf, Bytes key, std::span<const Bytes> seed, MutableBytes out);

}  // namespace keysluice::crypto
