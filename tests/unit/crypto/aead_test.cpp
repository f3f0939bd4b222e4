#include "crypto/aead.hpp"

#include <doctest/doctest.h>

#include <array>

#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::crypto;
using testing::from_hex;
using testing::to_hex;

namespace {

constexpr std::array kAlgorithms{AeadAlgorithm::aes128_gcm, AeadAlgorithm::aes256_gcm,
                                 AeadAlgorithm::chacha20_poly1305, AeadAlgorithm::aes128_ccm};

Aead make(AeadAlgorithm algorithm) {
    const std::vector<std::uint8_t> key(key_size(algorithm), 0x2a);
    return Aead::make(algorithm, key).value();
}

const std::vector<std::uint8_t> kNonce(Aead::kNonceSize, 0x07);

}  // namespace

TEST_CASE("AES-GCM gives the tags of the GCM specification, test cases 1 and 13") {
    const std::vector<std::uint8_t> zeros(32, 0);
    const Bytes nonce = Bytes{zeros}.first(12);
    auto small = Aead::make(AeadAlgorithm::aes128_gcm, Bytes{zeros}.first(16)).value();
    auto large = Aead::make(AeadAlgorithm::aes256_gcm, zeros).value();
    CHECK(to_hex(small.seal(nonce, {}, {}).value()) == "58e2fccefa7e3061367f1d57a4e7455a");
    CHECK(to_hex(large.seal(nonce, {}, {}).value()) == "530f8afbc74536b9a963b4f1c4cb738b");
}

TEST_CASE("ChaCha20-Poly1305 gives the ciphertext of RFC 8439 2.8.2") {
    auto aead = Aead::make(AeadAlgorithm::chacha20_poly1305,
                           from_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"))
                    .value();
    const auto sealed = aead.seal(from_hex("070000004041424344454647"), from_hex("50515253c0c1c2c3c4c5c6c7"),
                                  as_bytes("Ladies and Gentlemen of the class of '99: If I could offer you only one "
                                           "tip for the future, sunscreen would be it."))
                            .value();
    CHECK(to_hex(Bytes{sealed}.first(16)) == "d31a8d34648e60db7b86afbc53ef7ec2");
    CHECK(to_hex(Bytes{sealed}.last(16)) == "1ae10b594f09e26a7e902ecbd0600691");
}

TEST_CASE("what is sealed opens again, whatever its length") {
    for (const AeadAlgorithm algorithm : kAlgorithms) {
        Aead aead = make(algorithm);
        for (const std::size_t size : {0UL, 1UL, 15UL, 16UL, 17UL, 16385UL}) {
            CAPTURE(size);
            const std::vector<std::uint8_t> plaintext(size, 0x61);
            const auto sealed = aead.seal(kNonce, as_bytes("header"), plaintext).value();
            CHECK(sealed.size() == size + Aead::kTagSize);
            CHECK(aead.open(kNonce, as_bytes("header"), sealed).value() == plaintext);
            CHECK(aead.seal(kNonce, {}, plaintext).value() != sealed);
        }
    }
}

TEST_CASE("any change makes opening fail, and the object works on") {
    for (const AeadAlgorithm algorithm : kAlgorithms) {
        CAPTURE(static_cast<int>(algorithm));
        Aead aead = make(algorithm);
        const auto sealed = aead.seal(kNonce, as_bytes("header"), as_bytes("hello")).value();
        for (std::size_t index = 0; index < sealed.size(); ++index) {
            auto changed = sealed;
            changed[index] ^= 1U;
            const auto opened = aead.open(kNonce, as_bytes("header"), changed);
            REQUIRE(!opened);
            CHECK(opened.error().reason == "bad-tag");
        }
        auto other_nonce = kNonce;
        other_nonce[11] ^= 1U;
        CHECK(!aead.open(other_nonce, as_bytes("header"), sealed));
        CHECK(!aead.open(kNonce, as_bytes("footer"), sealed));
        CHECK(!aead.open(kNonce, as_bytes("header"), Bytes{sealed}.first(15)));
        CHECK(aead.open(kNonce, as_bytes("header"), sealed).has_value());
    }
}

TEST_CASE("keys and nonces of the wrong size are refused") {
    const std::vector<std::uint8_t> short_key(15, 0);
    const auto made = Aead::make(AeadAlgorithm::aes128_gcm, short_key);
    REQUIRE(!made);
    CHECK(made.error().reason == "wrong-key-size");
    Aead aead = make(AeadAlgorithm::aes128_gcm);
    CHECK(!aead.seal(Bytes{kNonce}.first(11), {}, {}));
    CHECK(!aead.open(Bytes{kNonce}.first(11), {}, kNonce));
}
