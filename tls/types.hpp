#pragma once

#include <cstdint>
#include <string_view>

#include "base/secret.hpp"

namespace keysluice::tls {

enum class Version { tls12, tls13 };

/// What protects the records. `other`: negotiated by a configured list, known to OpenSSL, not to any kernel.
enum class Cipher { aes128_gcm, aes256_gcm, chacha20_poly1305, aes128_ccm, other };

[[nodiscard]] std::string_view name_of(Version version);  ///< "TLS 1.3"
[[nodiscard]] std::string_view name_of(Cipher cipher);    ///< "AES-128-GCM"

/// What one direction of a connection needs from its next record on.
struct DirectionKeys {
    Secret<32> key;  ///< 16 or 32 bytes
    /// The whole 12 bytes for TLS 1.3 and for ChaCha20-Poly1305; the implicit 4 bytes for GCM and CCM in TLS 1.2
    /// (RFC 5288 section 3: "salt").
    Secret<12> iv;
    /// TLS 1.2 GCM and CCM: the 8-byte nonce that the next record carries, as a big-endian number. A reader takes
    /// it from the record instead, so it is 0 there. 0 wherever `iv` is whole.
    std::uint64_t explicit_nonce = 0;
    std::uint64_t sequence = 0;  ///< the record number that the next record has
    Secret<48> traffic_secret;   ///< TLS 1.3: what `key` and `iv` come from, for whoever changes them later
};

struct SessionKeys {
    Version version = Version::tls13;
    Cipher cipher = Cipher::other;
    DirectionKeys read;
    DirectionKeys write;
};

}  // namespace keysluice::tls
