#include "crypto/hkdf.hpp"

#include <doctest/doctest.h>

#include <array>

#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::crypto;
using testing::from_hex;
using testing::to_hex;

TEST_CASE("HKDF-Expand gives the output of RFC 5869 A.1") {
    const auto key = from_hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
    std::array<std::uint8_t, 42> out{};
    REQUIRE(hkdf_expand(Hash::sha256, key, from_hex("f0f1f2f3f4f5f6f7f8f9"), out));
    CHECK(to_hex(out) == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
}

TEST_CASE("HKDF-Expand-Label gives the record keys of RFC 8448 section 3") {
    const auto secret = from_hex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
    std::array<std::uint8_t, 16> key{};
    std::array<std::uint8_t, 12> iv{};
    REQUIRE(hkdf_expand_label(Hash::sha256, secret, "key", {}, key));
    REQUIRE(hkdf_expand_label(Hash::sha256, secret, "iv", {}, iv));
    CHECK(to_hex(key) == "3fce516009c21727d0f2e4e86ee403bc");
    CHECK(to_hex(iv) == "5d313eb2671276ee13000b30");
}

TEST_CASE("hash, label, context and length all change what HKDF-Expand-Label gives") {
    const auto secret = from_hex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
    const auto derive = [&](Hash hash, std::string_view label, std::string_view context) {
        std::array<std::uint8_t, 16> out{};
        REQUIRE(hkdf_expand_label(hash, secret, label, as_bytes(context), out));
        return to_hex(out);
    };
    const std::string base = derive(Hash::sha256, "key", "");
    CHECK(derive(Hash::sha256, "key", "") == base);
    CHECK(derive(Hash::sha384, "key", "") != base);
    CHECK(derive(Hash::sha256, "iv", "") != base);
    CHECK(derive(Hash::sha256, "key", "x") != base);
    std::array<std::uint8_t, 32> longer{};
    REQUIRE(hkdf_expand_label(Hash::sha256, secret, "key", {}, longer));
    // The length is part of the input, so that a longer output does not begin with the shorter one.
    CHECK(to_hex(Bytes{longer}.first(16)) != base);
}

TEST_CASE("more than 255 hashes of output are refused, with nothing left in OpenSSL's error queue") {
    const auto key = from_hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
    std::vector<std::uint8_t> out((255 * 32) + 1);
    const auto derived = hkdf_expand(Hash::sha256, key, {}, out);
    REQUIRE(!derived);
    CHECK(derived.error().reason == "key-derivation-failed");
}
