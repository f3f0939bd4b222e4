#include "crypto/mac.hpp"

#include <doctest/doctest.h>
#include <openssl/evp.h>

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

constexpr std::array kAlgorithms{
    MacAlgorithm::hmac_md5,    MacAlgorithm::hmac_sha1,   MacAlgorithm::hmac_sha256, MacAlgorithm::hmac_sha384,
    MacAlgorithm::hmac_sha512, MacAlgorithm::aes128_xcbc, MacAlgorithm::aes128_cmac,
};

Octets octets(std::string_view text) {
    const Bytes bytes = as_bytes(text);
    return {bytes.begin(), bytes.end()};
}

Octets counting(std::size_t size) {
    Octets bytes(size);
    for (std::size_t index = 0; index < size; ++index) {
        bytes[index] = static_cast<std::uint8_t>(index);
    }
    return bytes;
}

std::string code(Macs& macs, MacAlgorithm algorithm, Bytes key, Bytes message) {
    Octets out(output_size(algorithm));
    REQUIRE(macs.compute(algorithm, key, std::array{message}, out));
    return to_hex(out);
}

struct HmacVector {
    Octets key;
    Octets message;
    const char* sha256;
    const char* sha384;
    const char* sha512;
};

/// RFC 4231 section 4. Case 5 has the first 128 bits alone.
std::vector<HmacVector> rfc4231() {
    return {
        {Octets(20, 0x0b), octets("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
         "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
         "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
         "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
        {octets("Jefe"), octets("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
         "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
         "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
         "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
        {Octets(20, 0xaa), Octets(50, 0xdd), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
         "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27",
         "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
         "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"},
        {from_hex("0102030405060708090a0b0c0d0e0f10111213141516171819"), Octets(50, 0xcd),
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
         "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674cffb",
         "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db"
         "a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd"},
        {Octets(20, 0x0c), octets("Test With Truncation"), "a3b6167473100ee06e0c796c2955552b",
         "3abf34c3503b2a23a46efc619baef897", "415fad6271580a531d4179bc891d87a6"},
        {Octets(131, 0xaa), octets("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
         "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
         "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
         "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
        {Octets(131, 0xaa),
         octets("This is a test using a larger than block-size key and a larger than block-size data. The key needs "
                "to be hashed before being used by the HMAC algorithm."),
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
         "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860e6110c46523e",
         "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944"
         "b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58"},
    };
}

}  // namespace

TEST_CASE("HMAC-SHA2 gives the codes of RFC 4231, one context for all keys") {
    Macs macs;
    for (const HmacVector& vector : rfc4231()) {
        CHECK(code(macs, MacAlgorithm::hmac_sha256, vector.key, vector.message).starts_with(vector.sha256));
        CHECK(code(macs, MacAlgorithm::hmac_sha384, vector.key, vector.message).starts_with(vector.sha384));
        CHECK(code(macs, MacAlgorithm::hmac_sha512, vector.key, vector.message).starts_with(vector.sha512));
    }
}

TEST_CASE("HMAC-MD5 and HMAC-SHA1 give the codes of RFC 2202") {
    Macs macs;
    CHECK(code(macs, MacAlgorithm::hmac_md5, Octets(16, 0x0b), as_bytes("Hi There")) ==
          "9294727a3638bb1c13f48ef8158bfc9d");
    CHECK(code(macs, MacAlgorithm::hmac_md5, as_bytes("Jefe"), as_bytes("what do ya want for nothing?")) ==
          "750c783e6ab0b503eaa86e310a5db738");
    CHECK(code(macs, MacAlgorithm::hmac_sha1, Octets(20, 0x0b), as_bytes("Hi There")) ==
          "b617318655057264e28bc0b6fb378c8ef146be00");
}

TEST_CASE("AES-XCBC-MAC gives the codes of RFC 3566 for messages of 0 to 1000 bytes") {
    Macs macs;
    const Octets key = counting(16);
    const std::array<std::pair<std::size_t, const char*>, 6> vectors{{
        {0, "75f0251d528ac01c4573dfd584d79f29"},
        {3, "5b376580ae2f19afe7219ceef172756f"},
        {16, "d2a246fa349b68a79998a4394ff7a263"},
        {20, "47f51b4564966215b8985c63055ed308"},
        {32, "f54f0ec8d2b9f3d36807734bd5283fd4"},
        {34, "becbb3bccdb518a30677d5481fb6b4d8"},
    }};
    for (const auto& [size, expected] : vectors) {
        CAPTURE(size);
        CHECK(code(macs, MacAlgorithm::aes128_xcbc, key, counting(size)) == expected);
    }
    CHECK(code(macs, MacAlgorithm::aes128_xcbc, key, Octets(1000)) == "f0dafee895db30253761103b5d84528f");
}

TEST_CASE("AES-CMAC gives the code of RFC 4615 for a key of 16 bytes, and of RFC 4493 for an empty message") {
    Macs macs;
    CHECK(code(macs, MacAlgorithm::aes128_cmac, counting(16), counting(20)) == "980ae87b5f4c9c5214f5b6a8455e4c2d");
    CHECK(code(macs, MacAlgorithm::aes128_cmac, from_hex("2b7e151628aed2a6abf7158809cf4f3c"), {}) ==
          "bb1d6929e95937287fa37d129b756746");
}

TEST_CASE("a message in parts has the code of the whole, wherever it is cut") {
    Macs macs;
    const Octets key = counting(16);
    const Octets message = counting(49);
    for (const MacAlgorithm algorithm : kAlgorithms) {
        const std::string whole = code(macs, algorithm, key, message);
        for (std::size_t first = 0; first <= message.size(); ++first) {
            const std::array parts{Bytes{message}.first(first), Bytes{}, Bytes{message}.subspan(first)};
            Octets out(output_size(algorithm));
            REQUIRE(macs.compute(algorithm, key, parts, out));
            CHECK(to_hex(out) == whole);
        }
    }
}

TEST_CASE("a shorter output is the beginning of the whole one") {
    Macs macs;
    for (const MacAlgorithm algorithm : kAlgorithms) {
        Octets out(12);
        REQUIRE(macs.compute(algorithm, counting(16), std::array{as_bytes("message")}, out));
        CHECK(to_hex(out) == code(macs, algorithm, counting(16), as_bytes("message")).substr(0, 24));
    }
}

TEST_CASE("the empty key is a key, not the one before") {
    Macs macs;
    const std::string before = code(macs, MacAlgorithm::hmac_sha256, as_bytes("before"), as_bytes("message"));
    const std::string empty = code(macs, MacAlgorithm::hmac_sha256, {}, {});
    CHECK(empty == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    CHECK(code(macs, MacAlgorithm::hmac_sha256, {}, as_bytes("message")) != before);
}

TEST_CASE("a code verifies for its message, its key and its every bit only") {
    Macs macs;
    const Octets key = counting(16);
    const std::array message{as_bytes("head"), as_bytes("body")};
    for (const MacAlgorithm algorithm : kAlgorithms) {
        CAPTURE(static_cast<int>(algorithm));
        Octets sent(12);
        REQUIRE(macs.compute(algorithm, key, message, sent));
        CHECK(macs.verify(algorithm, key, message, sent).value());
        CHECK(!macs.verify(algorithm, Octets(16, 1), message, sent).value());
        CHECK(!macs.verify(algorithm, key, std::array{as_bytes("headbodY")}, sent).value());
        for (std::uint8_t& byte : sent) {
            byte ^= 0x80U;
            CHECK(!macs.verify(algorithm, key, message, sent).value());
            byte ^= 0x80U;
        }
    }
}

TEST_CASE("a library that lacks the algorithm is named") {
    struct NoProvider {
        NoProvider() { EVP_set_default_properties(nullptr, "provider=nobody"); }
        NoProvider(const NoProvider&) = delete;
        NoProvider& operator=(const NoProvider&) = delete;
        ~NoProvider() { EVP_set_default_properties(nullptr, ""); }
    };
    std::array<std::uint8_t, 16> out{};
    const std::array<std::uint8_t, 16> key{};
    const NoProvider none;
    for (const MacAlgorithm algorithm : {MacAlgorithm::hmac_sha256, MacAlgorithm::aes128_xcbc}) {
        Macs macs;
        const auto computed = macs.compute(algorithm, key, {}, out);
        REQUIRE_FALSE(computed);
        CHECK(computed.error().reason == "crypto-unavailable");
        CHECK(computed.error().sentence.contains("provider"));
    }
}
