#include "crypto/scrypt.hpp"

#include <doctest/doctest.h>

#include <array>

#include "tests/support/hex.hpp"

using namespace keysluice;

TEST_SUITE("scrypt") {
    TEST_CASE("RFC 7914, section 12: the vector with r = 8 and p = 1") {
        std::array<std::uint8_t, 64> out{};
        REQUIRE(crypto::scrypt(as_bytes("pleaseletmein"), as_bytes("SodiumChloride"), 14, out));
        CHECK(testing::to_hex(out) ==
              "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
              "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887");
    }

    TEST_CASE("the cost and the salt count, and it is never refused for its memory") {
        std::array<std::uint8_t, 16> cheap{};
        std::array<std::uint8_t, 16> dear{};
        std::array<std::uint8_t, 16> other{};
        REQUIRE(crypto::scrypt(as_bytes("a"), as_bytes("b"), 1, cheap));
        REQUIRE(crypto::scrypt(as_bytes("a"), as_bytes("b"), 17, dear));
        REQUIRE(crypto::scrypt(as_bytes("a"), as_bytes("c"), 1, other));
        CHECK(cheap != dear);
        CHECK(cheap != other);
        REQUIRE(crypto::scrypt({}, {}, 1, cheap));
    }
}
