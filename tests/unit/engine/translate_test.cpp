#include "daemon/engine/translate.hpp"

#include <doctest/doctest.h>
#include <linux/tls.h>

#include <algorithm>
#include <cstring>

using namespace keysluice;

namespace {

tls::DirectionKeys direction(std::size_t key_size, std::size_t iv_size, std::uint8_t seed) {
    tls::DirectionKeys keys;
    std::ranges::fill(keys.key.writable(key_size), seed);
    std::ranges::fill(keys.iv.writable(iv_size), static_cast<std::uint8_t>(seed + 1));
    keys.explicit_nonce = 0x0102030405060708;
    keys.sequence = seed;
    return keys;
}

}  // namespace

TEST_CASE("every cipher that is spoken has the kernel's name, and another has none") {
    CHECK(to_kernel(tls::Cipher::aes128_gcm) == ktls::Cipher::aes128_gcm);
    CHECK(to_kernel(tls::Cipher::aes256_gcm) == ktls::Cipher::aes256_gcm);
    CHECK(to_kernel(tls::Cipher::chacha20_poly1305) == ktls::Cipher::chacha20_poly1305);
    CHECK(to_kernel(tls::Cipher::aes128_ccm) == ktls::Cipher::aes128_ccm);
    CHECK(to_kernel(tls::Cipher::other) == std::nullopt);
    CHECK(to_kernel(tls::Version::tls12) == ktls::Version::tls12);
    CHECK(to_kernel(tls::Version::tls13) == ktls::Version::tls13);
}

TEST_CASE("what one side writes with is the kernel's TX, what it reads with is RX") {
    tls::SessionKeys keys;
    keys.version = tls::Version::tls12;
    keys.cipher = tls::Cipher::aes128_gcm;
    keys.write = direction(16, 4, 0x10);
    keys.read = direction(16, 4, 0x20);
    const auto translated = to_kernel(keys);
    REQUIRE(translated);
    tls12_crypto_info_aes_gcm_128 tx{};
    tls12_crypto_info_aes_gcm_128 rx{};
    REQUIRE(translated->tx.expose().size() == sizeof(tx));
    REQUIRE(translated->rx.expose().size() == sizeof(rx));
    std::memcpy(&tx, translated->tx.expose().data(), sizeof(tx));
    std::memcpy(&rx, translated->rx.expose().data(), sizeof(rx));
    CHECK(tx.info.version == TLS_1_2_VERSION);
    CHECK(tx.info.cipher_type == TLS_CIPHER_AES_GCM_128);
    CHECK(tx.key[0] == 0x10);
    CHECK(tx.salt[0] == 0x11);
    CHECK(tx.iv[0] == 1);
    CHECK(tx.iv[7] == 8);
    CHECK(tx.rec_seq[7] == 0x10);
    CHECK(rx.key[0] == 0x20);
    CHECK(rx.salt[0] == 0x21);
    CHECK(rx.rec_seq[7] == 0x20);
}

TEST_CASE("what the kernel can't be given is refused") {
    tls::SessionKeys keys;
    keys.write = direction(16, 12, 1);
    keys.read = direction(16, 12, 2);
    CHECK(to_kernel(keys).error().reason == "cipher-not-in-kernel");
    keys.cipher = tls::Cipher::aes256_gcm;
    CHECK(to_kernel(keys).error().reason == "key-length");
    keys.write = direction(32, 12, 1);
    CHECK(to_kernel(keys).error().reason == "key-length");
    keys.read = direction(32, 12, 2);
    CHECK(to_kernel(keys));
}
