#include "ktls/keys.hpp"

#include <doctest/doctest.h>
#include <linux/tls.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <type_traits>

using namespace keysluice;
using namespace keysluice::ktls;

namespace {

static_assert(!std::is_copy_constructible_v<Keys<Tx>>);
static_assert(!std::is_convertible_v<Keys<Tx>, Keys<Rx>>);

template <std::size_t Size>
std::array<std::uint8_t, Size> counting(std::uint8_t first) {
    std::array<std::uint8_t, Size> bytes{};
    std::iota(bytes.begin(), bytes.end(), first);
    return bytes;
}

template <typename Struct, typename Direction>
Struct as_kernel_sees_it(const Keys<Direction>& keys) {
    Struct value{};
    REQUIRE(keys.expose().size() == sizeof(value));
    std::memcpy(&value, keys.expose().data(), sizeof(value));
    return value;
}

bool holds(Bytes field, Bytes expected) {
    return std::ranges::equal(field, expected);
}

constexpr std::array<std::uint8_t, 8> kSequence{0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};
constexpr std::uint64_t kSequenceNumber = 0x0102030405060708;
constexpr std::array<std::uint8_t, 8> kNonce{0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8};
constexpr std::uint64_t kNonceNumber = 0xa1a2a3a4a5a6a7a8;

/// TLS 1.3 with a cipher whose nonce is split: the first four bytes of the IV are the salt.
template <typename Struct>
void check_tls13_split(Cipher cipher, std::uint16_t kernel_cipher, Bytes key) {
    const auto iv = counting<12>(0x50);
    const auto keys = Keys<Tx>::make(
        Version::tls13, cipher, {.key = key, .iv = iv, .explicit_nonce = kNonceNumber, .sequence = kSequenceNumber});
    REQUIRE(keys);
    const auto seen = as_kernel_sees_it<Struct>(*keys);
    CHECK(seen.info.version == 0x0304);
    CHECK(seen.info.cipher_type == kernel_cipher);
    CHECK(holds(seen.key, key));
    CHECK(holds(seen.salt, Bytes{iv}.first(4)));
    CHECK(holds(seen.iv, Bytes{iv}.subspan(4)));
    CHECK(holds(seen.rec_seq, kSequence));
}

/// TLS 1.2 with a cipher whose nonce is salt and explicit nonce.
template <typename Struct>
void check_tls12_explicit(Cipher cipher, std::uint16_t kernel_cipher, Bytes key) {
    const auto salt = counting<4>(0x50);
    const auto keys =
        Keys<Rx>::make(Version::tls12, cipher,
                       {.key = key, .iv = salt, .explicit_nonce = kNonceNumber, .sequence = kSequenceNumber});
    REQUIRE(keys);
    const auto seen = as_kernel_sees_it<Struct>(*keys);
    CHECK(seen.info.version == 0x0303);
    CHECK(seen.info.cipher_type == kernel_cipher);
    CHECK(holds(seen.key, key));
    CHECK(holds(seen.salt, salt));
    CHECK(holds(seen.iv, kNonce));
    CHECK(holds(seen.rec_seq, kSequence));
}

}  // namespace

TEST_CASE("the kernel's structure, field by field") {
    const auto key16 = counting<16>(0x10);
    const auto key32 = counting<32>(0x80);
    SUBCASE("TLS 1.3, AES-128-GCM") {
        check_tls13_split<tls12_crypto_info_aes_gcm_128>(Cipher::aes128_gcm, 51, key16);
    }
    SUBCASE("TLS 1.3, AES-256-GCM") {
        check_tls13_split<tls12_crypto_info_aes_gcm_256>(Cipher::aes256_gcm, 52, key32);
    }
    SUBCASE("TLS 1.3, AES-128-CCM") {
        check_tls13_split<tls12_crypto_info_aes_ccm_128>(Cipher::aes128_ccm, 53, key16);
    }
    SUBCASE("TLS 1.2, AES-128-GCM") {
        check_tls12_explicit<tls12_crypto_info_aes_gcm_128>(Cipher::aes128_gcm, 51, key16);
    }
    SUBCASE("TLS 1.2, AES-256-GCM") {
        check_tls12_explicit<tls12_crypto_info_aes_gcm_256>(Cipher::aes256_gcm, 52, key32);
    }
    SUBCASE("TLS 1.2, AES-128-CCM") {
        check_tls12_explicit<tls12_crypto_info_aes_ccm_128>(Cipher::aes128_ccm, 53, key16);
    }
}

TEST_CASE("ChaCha20-Poly1305 has the whole IV and no salt, in both versions") {
    const auto key = counting<32>(0x80);
    const auto iv = counting<12>(0x50);
    for (const Version version : kVersions) {
        const auto keys =
            Keys<Tx>::make(version, Cipher::chacha20_poly1305, {.key = key, .iv = iv, .sequence = kSequenceNumber});
        REQUIRE(keys);
        const auto seen = as_kernel_sees_it<tls12_crypto_info_chacha20_poly1305>(*keys);
        CHECK(seen.info.version == (version == Version::tls12 ? 0x0303 : 0x0304));
        CHECK(seen.info.cipher_type == 54);
        CHECK(holds(seen.key, key));
        CHECK(holds(seen.iv, iv));
        CHECK(holds(seen.rec_seq, kSequence));
    }
}

TEST_CASE("material of the wrong length is refused with what was expected") {
    const auto bytes = counting<64>(0);
    const auto make = [&](Version version, Cipher cipher, std::size_t key, std::size_t iv) {
        return Keys<Rx>::make(version, cipher, {.key = Bytes{bytes}.first(key), .iv = Bytes{bytes}.first(iv)});
    };
    for (const Version version : kVersions) {
        for (const Cipher cipher : kCiphers) {
            const std::size_t key = key_size(cipher);
            const std::size_t iv = iv_size(version, cipher);
            CHECK(make(version, cipher, key, iv));
            for (const std::size_t wrong : {std::size_t{0}, key - 1, key + 1, std::size_t{64}}) {
                const auto refused = make(version, cipher, wrong, iv);
                REQUIRE_FALSE(refused);
                CHECK(refused.error().reason == "key-length");
            }
            for (const std::size_t wrong : {std::size_t{0}, iv - 1, iv + 1, std::size_t{8}}) {
                const auto refused = make(version, cipher, key, wrong);
                REQUIRE_FALSE(refused);
                CHECK(refused.error().reason == "iv-length");
            }
        }
    }
    CHECK(make(Version::tls13, Cipher::aes256_gcm, 16, 12).error().sentence ==
          "TLS 1.3 with AES-256-GCM needs a key of 32 bytes, got 16");
    CHECK(make(Version::tls12, Cipher::aes128_ccm, 16, 12).error().sentence ==
          "TLS 1.2 with AES-128-CCM needs an IV of 4 bytes, got 12");
}

TEST_CASE("the kernel's numbers are read back as what they were") {
    for (const Version version : kVersions) {
        CHECK(uapi::version_of(uapi::version_number(version)) == version);
    }
    for (const Cipher cipher : kCiphers) {
        CHECK(uapi::cipher_of(uapi::layout(cipher).cipher_type) == cipher);
    }
    CHECK_FALSE(uapi::version_of(0));
    CHECK_FALSE(uapi::version_of(0x0302));
    CHECK_FALSE(uapi::cipher_of(0));
    CHECK_FALSE(uapi::cipher_of(TLS_CIPHER_SM4_GCM));
}
