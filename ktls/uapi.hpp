#pragma once

#include <linux/tls.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "ktls/types.hpp"

/// What include/uapi/linux/tls.h says, as values: the one place that knows the kernel's numbers and layouts.
namespace keysluice::ktls::uapi {

/// struct tls12_crypto_info_*: a tls_crypto_info, then iv, key, salt and rec_seq without padding, byte arrays all.
struct Layout {
    std::uint16_t cipher_type;
    std::size_t iv;
    std::size_t key;
    std::size_t salt;

    [[nodiscard]] constexpr std::size_t size() const { return sizeof(tls_crypto_info) + iv + key + salt + kSequence; }
    static constexpr std::size_t kSequence = 8;
};

[[nodiscard]] constexpr Layout layout(Cipher cipher) {
    switch (cipher) {
        case Cipher::aes128_gcm:
            return {.cipher_type = TLS_CIPHER_AES_GCM_128, .iv = 8, .key = 16, .salt = 4};
        case Cipher::aes256_gcm:
            return {.cipher_type = TLS_CIPHER_AES_GCM_256, .iv = 8, .key = 32, .salt = 4};
        case Cipher::chacha20_poly1305:
            return {.cipher_type = TLS_CIPHER_CHACHA20_POLY1305, .iv = 12, .key = 32, .salt = 0};
        case Cipher::aes128_ccm:
            return {.cipher_type = TLS_CIPHER_AES_CCM_128, .iv = 8, .key = 16, .salt = 4};
    }
    return {};
}

template <typename Struct>
[[nodiscard]] constexpr bool describes(Cipher cipher) {
    const Layout expected = layout(cipher);
    return sizeof(Struct) == expected.size() && offsetof(Struct, iv) == sizeof(tls_crypto_info) &&
           offsetof(Struct, key) == offsetof(Struct, iv) + expected.iv &&
           offsetof(Struct, salt) == offsetof(Struct, key) + expected.key &&
           offsetof(Struct, rec_seq) == offsetof(Struct, salt) + expected.salt;
}
static_assert(describes<tls12_crypto_info_aes_gcm_128>(Cipher::aes128_gcm));
static_assert(describes<tls12_crypto_info_aes_gcm_256>(Cipher::aes256_gcm));
static_assert(describes<tls12_crypto_info_chacha20_poly1305>(Cipher::chacha20_poly1305));
static_assert(describes<tls12_crypto_info_aes_ccm_128>(Cipher::aes128_ccm));

/// Room for the largest of them.
inline constexpr std::size_t kMaxCryptoInfo = 56;
static_assert(layout(Cipher::aes256_gcm).size() == kMaxCryptoInfo);
static_assert(layout(Cipher::chacha20_poly1305).size() == kMaxCryptoInfo);

[[nodiscard]] constexpr std::uint16_t version_number(Version version) {
    switch (version) {
        case Version::tls12:
            return TLS_1_2_VERSION;
        case Version::tls13:
            return TLS_1_3_VERSION;
    }
    return 0;
}

[[nodiscard]] constexpr std::optional<Version> version_of(std::uint16_t number) {
    for (const Version version : kVersions) {
        if (version_number(version) == number) {
            return version;
        }
    }
    return std::nullopt;
}

[[nodiscard]] constexpr std::optional<Cipher> cipher_of(std::uint16_t cipher_type) {
    for (const Cipher cipher : kCiphers) {
        if (layout(cipher).cipher_type == cipher_type) {
            return cipher;
        }
    }
    return std::nullopt;
}

/// The socket option of a direction.
template <typename Direction>
inline constexpr int kOption = 0;
template <>
inline constexpr int kOption<Tx> = TLS_TX;
template <>
inline constexpr int kOption<Rx> = TLS_RX;

}  // namespace keysluice::ktls::uapi
