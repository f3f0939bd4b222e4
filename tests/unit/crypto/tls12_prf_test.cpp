#include "crypto/tls12_prf.hpp"

#include <doctest/doctest.h>

#include <array>

#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::crypto;
using testing::from_hex;
using testing::to_hex;

TEST_CASE("the TLS 1.2 PRF gives the output of the TLS working group's vector for SHA-256") {
    std::array<std::uint8_t, 100> out{};
    REQUIRE(tls12_prf(Hash::sha256, from_hex("9bbe436ba940f017b17652849a71db35"), "test label",
                      from_hex("a0ba9f936cda311827a6f796ffd5198c"), out));
    CHECK(to_hex(out) ==
          "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f707"
          "7def17"
          "abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66");
}

TEST_CASE("hash, label and seed all change what the PRF gives") {
    const auto derive = [](Hash hash, std::string_view label, std::string_view seed) {
        std::array<std::uint8_t, 40> out{};
        REQUIRE(tls12_prf(hash, from_hex("9bbe436ba940f017b17652849a71db35"), label, as_bytes(seed), out));
        return to_hex(out);
    };
    const std::string base = derive(Hash::sha256, "key expansion", "seed");
    CHECK(derive(Hash::sha384, "key expansion", "seed") != base);
    CHECK(derive(Hash::sha256, "client finished", "seed") != base);
    CHECK(derive(Hash::sha256, "key expansion", "deed") != base);
}
