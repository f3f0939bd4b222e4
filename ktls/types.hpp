#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace keysluice::ktls {

/// The versions of TLS that the kernel's record layer can carry.
enum class Version : std::uint8_t { tls12, tls13 };

/// The ciphers that this project hands to the kernel. (The kernel also has SM4 and ARIA.)
enum class Cipher : std::uint8_t { aes128_gcm, aes256_gcm, chacha20_poly1305, aes128_ccm };

inline constexpr std::array kVersions{Version::tls12, Version::tls13};
inline constexpr std::array kCiphers{Cipher::aes128_gcm, Cipher::aes256_gcm, Cipher::chacha20_poly1305,
                                     Cipher::aes128_ccm};

/// Directions as types: `Keys<Tx>` where `Keys<Rx>` is expected does not compile.
struct Tx;
struct Rx;

/// The content type of a record, RFC 8446 5.1. A peer may send any other value; it is kept as it came.
enum class ContentType : std::uint8_t {
    change_cipher_spec = 20,
    alert = 21,
    handshake = 22,
    application_data = 23,
};

/// "TLS 1.3", for a person.
[[nodiscard]] constexpr std::string_view name(Version version) {
    switch (version) {
        case Version::tls12:
            return "TLS 1.2";
        case Version::tls13:
            return "TLS 1.3";
    }
    return {};
}

/// "AES-128-GCM", for a person.
[[nodiscard]] constexpr std::string_view name(Cipher cipher) {
    switch (cipher) {
        case Cipher::aes128_gcm:
            return "AES-128-GCM";
        case Cipher::aes256_gcm:
            return "AES-256-GCM";
        case Cipher::chacha20_poly1305:
            return "ChaCha20-Poly1305";
        case Cipher::aes128_ccm:
            return "AES-128-CCM";
    }
    return {};
}

}  // namespace keysluice::ktls
