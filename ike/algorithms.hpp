#pragma once

#include <cstdint>

namespace keysluice::ike {

// IANA's "Internet Key Exchange Version 2 (IKEv2) Parameters": the transforms that this program knows. Those that are
// refused unless a connection lists them in `allow_weak` are marked weak.

enum class EncryptionId : std::uint16_t {
    des3 = 3,   ///< weak
    null = 11,  ///< ESP only
    aes_cbc = 12,
    aes_ctr = 13,
    aes_ccm_16 = 16,
    aes_gcm_16 = 20,
    chacha20_poly1305 = 28,
};

enum class PrfId : std::uint16_t {
    hmac_md5 = 1,   ///< weak
    hmac_sha1 = 2,  ///< weak
    aes128_xcbc = 4,
    hmac_sha2_256 = 5,
    hmac_sha2_384 = 6,
    hmac_sha2_512 = 7,
    aes128_cmac = 8,
};

enum class IntegrityId : std::uint16_t {
    none = 0,
    hmac_md5_96 = 1,   ///< weak
    hmac_sha1_96 = 2,  ///< weak
    aes_xcbc_96 = 5,
    hmac_sha2_256_128 = 12,
    hmac_sha2_384_192 = 13,
    hmac_sha2_512_256 = 14,
};

enum class GroupId : std::uint16_t {
    none = 0,
    modp768 = 1,   ///< weak
    modp1024 = 2,  ///< weak
    modp1536 = 5,  ///< weak
    modp2048 = 14,
    modp3072 = 15,
    modp4096 = 16,
    ecp256 = 19,
    ecp384 = 20,
    ecp521 = 21,
    x25519 = 31,
    x448 = 32,
};

/// The encryption of an IKE SA or CHILD SA with its key length; `key_bits` is 0 where the algorithm has but one.
struct Encryption {
    EncryptionId id = EncryptionId::aes_gcm_16;
    std::uint16_t key_bits = 0;

    auto operator<=>(const Encryption&) const = default;
};

/// What protects an IKE SA, once chosen.
struct IkeSuite {
    Encryption encryption;
    IntegrityId integrity = IntegrityId::none;  ///< none with an AEAD
    PrfId prf = PrfId::hmac_sha2_256;
    GroupId group = GroupId::x25519;

    auto operator<=>(const IkeSuite&) const = default;
};

/// What protects a CHILD SA, once chosen.
struct EspSuite {
    Encryption encryption;
    IntegrityId integrity = IntegrityId::none;
    GroupId group = GroupId::none;  ///< none: no key exchange of its own
    bool esn = false;

    auto operator<=>(const EspSuite&) const = default;
};

}  // namespace keysluice::ike
