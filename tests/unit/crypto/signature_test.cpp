#include "crypto/signature.hpp"

#include <doctest/doctest.h>

#include <array>

#include "tests/support/certified_ends.hpp"
#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::crypto;
using keysluice::ike::testing::KeyType;
using keysluice::ike::testing::vault;
using keysluice::testing::from_hex;

namespace {

using enum SignatureScheme;

struct Pair {
    KeyType type;
    KeyKind kind;
};
constexpr std::array kPairs{Pair{KeyType::rsa2048, KeyKind::rsa},     Pair{KeyType::p256, KeyKind::ecdsa_p256},
                            Pair{KeyType::p384, KeyKind::ecdsa_p384}, Pair{KeyType::p521, KeyKind::ecdsa_p521},
                            Pair{KeyType::ed25519, KeyKind::ed25519}, Pair{KeyType::ed448, KeyKind::ed448}};

EVP_PKEY& key_of(KeyType type) {
    return *vault().leaf("a.example", type).key;
}

}  // namespace

TEST_SUITE_BEGIN("signatures");

TEST_CASE("each key signs by each scheme that fits it, and by no other") {
    const Bytes message = as_bytes("first message, nonce, and a code over the identity");
    for (const Pair& pair : kPairs) {
        EVP_PKEY& key = key_of(pair.type);
        CHECK(kind_of(key) == pair.kind);
        int fitting = 0;
        for (std::size_t each = 0; each < kSignatureSchemes; ++each) {
            const auto scheme = static_cast<SignatureScheme>(each);
            CAPTURE(name_of(pair.kind));
            CAPTURE(each);
            auto signature = sign(key, scheme, message);
            CHECK(signature.has_value() == fits(pair.kind, scheme));
            if (!signature) {
                CHECK(signature.error().reason == "signing-failed");
                CHECK_FALSE(verify(key, scheme, message, from_hex("00")));
                continue;
            }
            ++fitting;
            CHECK(verify(key, scheme, message, *signature));
            CHECK_FALSE(verify(key, scheme, as_bytes("another message"), *signature));
            signature->back() ^= 1U;
            CHECK_FALSE(verify(key, scheme, message, *signature));
            CHECK_FALSE(verify(key, scheme, message, {}));
        }
        CHECK(fitting == (pair.kind == KeyKind::rsa ? 7 : pair.kind >= KeyKind::ed25519 ? 1 : 3));
    }
}

TEST_CASE("a signature is good for its own hash function and padding only") {
    const Bytes message = as_bytes("message");
    EVP_PKEY& key = key_of(KeyType::rsa2048);
    const auto signature = sign(key, rsa_pss_sha256, message).value();
    CHECK(verify(key, rsa_pss_sha256, message, signature));
    CHECK_FALSE(verify(key, rsa_pss_sha384, message, signature));
    CHECK_FALSE(verify(key, rsa_sha256, message, signature));
    CHECK_FALSE(verify(*vault().leaf("b.example", KeyType::rsa2048).key, rsa_pss_sha256, message, signature));
}

TEST_CASE("ECDSA signatures side by side and in DER") {
    // r = 1, s = 0x80
    const auto der = from_hex("3007 0201 01 0202 0080");
    CHECK(ecdsa_to_plain(der, 4) == from_hex("00000001 00000080"));
    CHECK(ecdsa_from_plain(from_hex("00000001 00000080")) == der);
    CHECK(ecdsa_to_plain(from_hex("3007 0201 01 0202 1080"), 1).empty());  // too large for the curve
    CHECK(ecdsa_to_plain(from_hex("3007 0201 01 0202 00"), 4).empty());
    CHECK(ecdsa_from_plain(from_hex("000001")).empty());
    CHECK(ecdsa_from_plain({}).empty());
}

TEST_SUITE_END();
