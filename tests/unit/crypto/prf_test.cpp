#include "crypto/prf.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::crypto;
using testing::from_hex;
using testing::to_hex;

namespace {

using Octets = std::vector<std::uint8_t>;

constexpr std::array kPrfs{Prf::hmac_md5,    Prf::hmac_sha1,   Prf::hmac_sha256, Prf::hmac_sha384,
                           Prf::hmac_sha512, Prf::aes128_xcbc, Prf::aes128_cmac};

std::string value(Prf prf, Bytes key, Bytes message) {
    Macs macs;
    Octets out(output_size(prf));
    REQUIRE(compute(macs, prf, key, std::array{message}, out));
    return to_hex(out);
}

}  // namespace

TEST_CASE("AES-XCBC-PRF-128 takes keys of 16, 10 and 18 bytes as in RFC 4434") {
    const Octets message = from_hex("000102030405060708090a0b0c0d0e0f10111213");
    CHECK(value(Prf::aes128_xcbc, from_hex("000102030405060708090a0b0c0d0e0f"), message) ==
          "47f51b4564966215b8985c63055ed308");
    CHECK(value(Prf::aes128_xcbc, from_hex("00010203040506070809"), message) == "0fa087af7d866e7653434e602fdde835");
    CHECK(value(Prf::aes128_xcbc, from_hex("000102030405060708090a0b0c0d0e0fedcb"), message) ==
          "8cd3c93ae598a9803006ffb67c40e9e4");
}

TEST_CASE("AES-CMAC-PRF-128 takes keys of 18, 16 and 10 bytes as in RFC 4615") {
    const Octets message = from_hex("000102030405060708090a0b0c0d0e0f10111213");
    CHECK(value(Prf::aes128_cmac, from_hex("000102030405060708090a0b0c0d0e0fedcb"), message) ==
          "84a348a4a45d235babfffc0d2b4da09a");
    CHECK(value(Prf::aes128_cmac, from_hex("000102030405060708090a0b0c0d0e0f"), message) ==
          "980ae87b5f4c9c5214f5b6a8455e4c2d");
    CHECK(value(Prf::aes128_cmac, from_hex("00010203040506070809"), message) == "290d9e112edb09ee141fcf64c0b72f3d");
}

TEST_CASE("the HMAC PRFs are HMAC with a key as it is") {
    CHECK(value(Prf::hmac_sha256, as_bytes("Jefe"), as_bytes("what do ya want for nothing?")) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(value(Prf::hmac_sha384, as_bytes("Jefe"), as_bytes("what do ya want for nothing?")) ==
          "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649");
    CHECK(value(Prf::hmac_sha512, as_bytes("Jefe"), as_bytes("what do ya want for nothing?")) ==
          "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
          "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
    CHECK(value(Prf::hmac_md5, as_bytes("Jefe"), as_bytes("what do ya want for nothing?")) ==
          "750c783e6ab0b503eaa86e310a5db738");
    CHECK(value(Prf::hmac_sha1, Octets(20, 0x0b), as_bytes("Hi There")) ==
          "b617318655057264e28bc0b6fb378c8ef146be00");
}

TEST_CASE("prf+ chains T1 = prf(K, S | 1), T2 = prf(K, T1 | S | 2) …, and any length is a beginning of it") {
    const Octets key(20, 7);
    const std::array seed{as_bytes("nonce"), as_bytes("spi")};
    for (const Prf prf : kPrfs) {
        CAPTURE(static_cast<int>(prf));
        Macs macs;
        Octets expected;
        Octets last;
        for (std::uint8_t count = 1; count <= 4; ++count) {
            const std::array parts{Bytes{last}, as_bytes("noncespi"), Bytes{&count, 1}};
            Octets next(output_size(prf));
            REQUIRE(compute(macs, prf, key, parts, next));
            expected.insert(expected.end(), next.begin(), next.end());
            last = next;
        }
        for (std::size_t size = 0; size <= expected.size(); ++size) {
            Octets out(size);
            REQUIRE(prf_plus(macs, prf, key, seed, out));
            CHECK(to_hex(out) == to_hex(Bytes{expected}.first(size)));
        }
    }
}

TEST_CASE("prf+ reaches 255 outputs") {
    Macs macs;
    Octets out(255UL * 32);
    REQUIRE(prf_plus(macs, Prf::hmac_sha256, as_bytes("key"), std::array{as_bytes("seed")}, out));
    Octets last(32);
    const Octets count{255};
    const std::array parts{Bytes{out}.subspan(253UL * 32, 32), as_bytes("seed"), Bytes{count}};
    REQUIRE(compute(macs, Prf::hmac_sha256, as_bytes("key"), parts, last));
    CHECK(to_hex(Bytes{out}.last(32)) == to_hex(last));
}
