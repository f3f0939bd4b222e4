#include "crypto/traffic_secret.hpp"

#include <doctest/doctest.h>

#include <array>

#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::crypto;
using testing::from_hex;
using testing::to_hex;

namespace {

const auto kSecret = from_hex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");

}  // namespace

TEST_SUITE("crypto: traffic secrets") {
    TEST_CASE("the record keys of RFC 8448 section 3") {
        std::array<std::uint8_t, 16> key{};
        std::array<std::uint8_t, 12> iv{};
        REQUIRE(traffic_key(Hash::sha256, kSecret, key, iv));
        CHECK(to_hex(key) == "3fce516009c21727d0f2e4e86ee403bc");
        CHECK(to_hex(iv) == "5d313eb2671276ee13000b30");
    }

    TEST_CASE("the secret after that one, as Python's hmac computes it") {
        std::array<std::uint8_t, 32> next{};
        REQUIRE(next_traffic_secret(Hash::sha256, kSecret, next));
        CHECK(to_hex(next) == "c5847ffa1bfea2d5c409eee45d2813181327a78a52ee6d02d8a5e10fbf0fface");
    }
}
