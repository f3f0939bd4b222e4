#include "crypto/legacy.hpp"

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <array>
#include <cstdlib>
#include <string>

#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::crypto;
using keysluice::testing::from_hex;
using keysluice::testing::to_hex;

TEST_SUITE("crypto: MD4 and DES") {
    TEST_CASE("MD4 of RFC 1320") {
        LegacyAlgorithms legacy;
        CHECK(to_hex(legacy.md4({})->expose()) == "31d6cfe0d16ae931b73c59d7e0c089c0");
        CHECK(to_hex(legacy.md4(as_bytes("message digest"))->expose()) == "d9130a8164549fe818874806e1c7014b");
    }

    TEST_CASE("DES with a key of 56 bits, whose parity bits are added") {
        // RFC 2759 section 9.2: the first third of the response to the challenge.
        LegacyAlgorithms legacy;
        std::array<std::uint8_t, 8> out{};
        REQUIRE(legacy.des(from_hex("44EBBA8D5312B8"), from_hex("D02E4386BCE91226"), out));
        CHECK(to_hex(out) == "82309ecd8d708b5e");
    }

    TEST_CASE("nobody else comes to use them") {
        LegacyAlgorithms legacy;
        REQUIRE(legacy.load());
        EVP_MD* const md4 = EVP_MD_fetch(nullptr, "MD4", nullptr);
        CHECK(md4 == nullptr);
        EVP_MD_free(md4);
    }

    TEST_CASE("without OpenSSL's module there is a reason, and a way out") {
        // OpenSSL asks for its directory of modules whenever it loads one.
        const char* const before = getenv("OPENSSL_MODULES");
        const std::string kept = before == nullptr ? "" : before;
        setenv("OPENSSL_MODULES", "/nowhere", 1);
        LegacyAlgorithms legacy;
        const auto loaded = legacy.load();
        before == nullptr ? unsetenv("OPENSSL_MODULES") : setenv("OPENSSL_MODULES", kept.c_str(), 1);
        REQUIRE_FALSE(loaded);
        CHECK(loaded.error().reason == "legacy-provider");
        CHECK(loaded.error().sentence.contains("openssl-provider-legacy"));
        CHECK(legacy.load());
    }
}
