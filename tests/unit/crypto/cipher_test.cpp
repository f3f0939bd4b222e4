#include "crypto/cipher.hpp"

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

constexpr std::array kCiphers{
    Cipher::aes128_gcm, Cipher::aes192_gcm,        Cipher::aes256_gcm, Cipher::aes128_ccm, Cipher::aes192_ccm,
    Cipher::aes256_ccm, Cipher::chacha20_poly1305, Cipher::aes128_cbc, Cipher::aes192_cbc, Cipher::aes256_cbc,
    Cipher::aes128_ctr, Cipher::aes192_ctr,        Cipher::aes256_ctr, Cipher::des3_cbc,
};

Octets counting(std::size_t size, std::uint8_t first = 0) {
    Octets bytes(size);
    for (std::size_t index = 0; index < size; ++index) {
        bytes[index] = static_cast<std::uint8_t>(first + index);
    }
    return bytes;
}

Octets key_of(Cipher cipher) {
    return counting(key_size(cipher));
}

Octets nonce_of(Cipher cipher) {
    return counting(nonce_size(cipher), 0x10);
}

/// What AEADs authenticate besides; other ciphers take nothing.
Bytes associated_of(Cipher cipher) {
    return tag_size(cipher) > 0 ? as_bytes("associated") : Bytes{};
}

Octets sealed(Ciphers& ciphers, Cipher cipher, Bytes key, Bytes nonce, Bytes associated, Bytes plaintext) {
    Octets out(plaintext.size() + tag_size(cipher));
    REQUIRE(ciphers.seal(cipher, key, nonce, associated, plaintext, out));
    return out;
}

Octets sealed(Ciphers& ciphers, Cipher cipher, Bytes plaintext) {
    return sealed(ciphers, cipher, key_of(cipher), nonce_of(cipher), associated_of(cipher), plaintext);
}

Result<void> open(Ciphers& ciphers, Cipher cipher, Bytes sealed_bytes, MutableBytes out) {
    return ciphers.open(cipher, key_of(cipher), nonce_of(cipher), associated_of(cipher), sealed_bytes, out);
}

struct Vector {
    Cipher cipher;
    const char* key;
    const char* nonce;
    const char* plaintext;
    const char* ciphertext;
};

/// RFC 3602 section 4.
constexpr std::array kCbcVectors{
    Vector{Cipher::aes128_cbc, "06a9214036b8a15b512e03d534120006", "3dafba429d9eb430b422da802c9fac41",
           "53696e676c6520626c6f636b206d7367", "e353779c1079aeb82708942dbe77181a"},
    Vector{Cipher::aes128_cbc, "c286696d887c9aa0611bbb3e2025a45a", "562e17996d093d28ddb3ba695a2e6f58",
           "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
           "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1"},
    Vector{Cipher::aes128_cbc, "6c3ea0477630ce21a2ce334aa746c2cd", "c782dc4c098c66cbd9cd27d825682c81",
           "5468697320697320612034382d62797465206d657373616765202865786163746c7920332041455320626c6f636b7329",
           "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c8579695d83ba2684"},
    Vector{Cipher::aes128_cbc, "56e47a38c5598974bc46903dba290349", "8ce82eefbea0da3c44699ed7db51b7d9",
           "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
           "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf",
           "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e35907aa632c3ffdf868bb7b29d3d46ad"
           "83ce9f9a102ee99d49a53e87f4c3da55"},
    Vector{Cipher::aes128_cbc, "90d382b410eeba7ad938c46cec1a82bf", "e96e8c08ab465763fd098d45dd3ff893",
           "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627"
           "28292a2b2c2d2e2f30313233343536370102030405060708090a0b0c0d0e0e01",
           "f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856a4699e523a55db080b59ec3a8e4b7e52"
           "775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6"},
    Vector{Cipher::aes128_cbc, "90d382b410eeba7ad938c46cec1a82bf", "69d08df7d203329db093fc4924e5bd80",
           "0800b5e8a80a0500a69c083d0b660e0077777777777777777777777701020201",
           "f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca346a89f75"},
    Vector{Cipher::aes128_cbc, "0123456789abcdef0123456789abcdef", "f4e765244f6407adf13dc1380f673f37",
           "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f10111213"
           "1415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536370102030405060708090a0a04",
           "773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c6"
           "47752e94a859352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d"},
    Vector{Cipher::aes128_cbc, "0123456789abcdef0123456789abcdef", "85d47224b5f3dd5d2101d4ea8dffab22",
           "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300ffffffffffffffffffffffff"
           "ffffffffffffffffffffffffffffffffffffffff0102030405060708090a0a04",
           "15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb50f980a08c9843fd3a1b06d5c07ff9639"
           "b7eb7dfb3512e5de435e7207ed971ef3d2726d9b5ef6affc6d17a0decbb13892"},
};

/// RFC 3686 section 6; the nonce here is nonce, initialization vector and a block counter of one.
constexpr std::array kCtrVectors{
    Vector{Cipher::aes128_ctr, "ae6852f8121067cc4bf7a5765577f39e", "00000030000000000000000000000001",
           "53696e676c6520626c6f636b206d7367", "e4095d4fb7a7b3792d6175a3261311b8"},
    Vector{Cipher::aes128_ctr, "7e24067817fae0d743d6ce1f32539163", "006cb6dbc0543b59da48d90b00000001",
           "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
           "5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28"},
    Vector{Cipher::aes128_ctr, "7691be035e5020a8ac6e618529f9a0dc", "00e0017b27777f3f4a1786f000000001",
           "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
           "c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef3105325b2072f"},
    Vector{Cipher::aes192_ctr, "16af5b145fc9f579c175f93e3bfb0eed863d06ccfdb78515", "0000004836733c147d6d93cb00000001",
           "53696e676c6520626c6f636b206d7367", "4b55384fe259c9c84e7935a003cbe928"},
    Vector{Cipher::aes192_ctr, "7c5cb2401b3dc33c19e7340819e0f69c678c3db8e6f6a91a", "0096b03b020c6eadc2cb500d00000001",
           "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
           "453243fc609b23327edfaafa7131cd9f8490701c5ad4a79cfc1fe0ff42f4fb00"},
    Vector{Cipher::aes192_ctr, "02bf391ee8ecb159b959617b0965279bf59b60a786d3e0fe", "0007bdfd5cbd60278dcc091200000001",
           "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
           "96893fc55e5c722f540b7dd1ddf7e758d288bc95c69165884536c811662f2188abee0935"},
    Vector{Cipher::aes256_ctr, "776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c104",
           "00000060db5672c97aa8f0b200000001", "53696e676c6520626c6f636b206d7367",
           "145ad01dbf824ec7560863dc71e3e0c0"},
    Vector{Cipher::aes256_ctr, "f6d66d6bd52d59bb0796365879eff886c66dd51a5b6a99744b50590c87a23884",
           "00faac24c1585ef15a43d87500000001", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
           "f05e231b3894612c49ee000b804eb2a9b8306b508f839d6a5530831d9344af1c"},
    Vector{Cipher::aes256_ctr, "ff7a617ce69148e4f1726e2f43581de2aa62d9f805532edff1eed687fb54153d",
           "001cc5b751a51d70a1c1114800000001",
           "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
           "eb6c52821d0bbbf7ce7594462aca4faab407df866569fd07f48cc0b583d6071f1ec0e6b8"},
};

void check(Ciphers& ciphers, const Vector& vector) {
    const Octets key = from_hex(vector.key);
    const Octets nonce = from_hex(vector.nonce);
    const Octets plaintext = from_hex(vector.plaintext);
    CHECK(to_hex(sealed(ciphers, vector.cipher, key, nonce, {}, plaintext)) == vector.ciphertext);
    Octets opened(plaintext.size());
    REQUIRE(ciphers.open(vector.cipher, key, nonce, {}, from_hex(vector.ciphertext), opened));
    CHECK(opened == plaintext);
}

}  // namespace

TEST_CASE("AES-CBC gives the ciphertexts of RFC 3602") {
    Ciphers ciphers;
    for (const Vector& vector : kCbcVectors) {
        check(ciphers, vector);
    }
}

TEST_CASE("AES-CTR gives the ciphertexts of RFC 3686") {
    Ciphers ciphers;
    for (const Vector& vector : kCtrVectors) {
        check(ciphers, vector);
    }
}

TEST_CASE("AES-GCM gives the tags of the GCM specification, test cases 1, 7 and 13") {
    Ciphers ciphers;
    const Octets zeros(32);
    const auto tag = [&](Cipher cipher) {
        return to_hex(sealed(ciphers, cipher, Bytes{zeros}.first(key_size(cipher)), Bytes{zeros}.first(12), {}, {}));
    };
    CHECK(tag(Cipher::aes128_gcm) == "58e2fccefa7e3061367f1d57a4e7455a");
    CHECK(tag(Cipher::aes192_gcm) == "cd33b28ac773f74ba00ed1f312572435");
    CHECK(tag(Cipher::aes256_gcm) == "530f8afbc74536b9a963b4f1c4cb738b");
}

TEST_CASE("AES-CCM with 11 bytes of nonce gives what RFC 3610 says, computed apart from AES blocks") {
    Ciphers ciphers;
    const Octets plaintext = counting(33);
    CHECK(to_hex(sealed(ciphers, Cipher::aes128_ccm, plaintext)) ==
          "4c6e7fd8c4b857ac8605e3682e6e90a13179ca4a5bc86cf8f2599c1881e5ccf529b4d65b0082475662ad944a29c1746564");
    CHECK(to_hex(sealed(ciphers, Cipher::aes192_ccm, plaintext)) ==
          "d940e181be8ba9224f02da2afc2b442fa3b8c4ddd6b849901e090cd9be129b1ff7120bc2b9cce036bc3bcdf7c603e3ffdf");
    CHECK(to_hex(sealed(ciphers, Cipher::aes256_ccm, plaintext)) ==
          "275fed9b4bc31b0d677078aeee73db9333c2dd626882bb34b94b960a47df8dab87cf94e8b43dc8cde86f257cebb9d6fc99");
}

TEST_CASE("ChaCha20-Poly1305 gives the ESP packet of RFC 7634 appendix A") {
    Ciphers ciphers;
    const Octets plaintext = from_hex(
        "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f10111213"
        "1415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204");
    CHECK(to_hex(sealed(ciphers, Cipher::chacha20_poly1305, counting(32, 0x80), from_hex("a0a1a2a31011121314151617"),
                        from_hex("0102030400000005"), plaintext)) ==
          "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f7"
          "2aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0"
          "76aaa8266b7fb0f7b11b369907e1ad43");
}

TEST_CASE("3DES gives the blocks of NIST SP 800-67 appendix B") {
    Ciphers ciphers;
    const Octets key = from_hex("0123456789abcdef23456789abcdef01456789abcdef0123");
    const Octets zeros(8);
    const auto block = [&](std::string_view text) {
        return to_hex(sealed(ciphers, Cipher::des3_cbc, key, zeros, {}, as_bytes(text)));
    };
    CHECK(block("The qufc") == "a826fd8ce53b855f");
    CHECK(block("k brown ") == "cce21c8112256fe6");
    CHECK(block("fox jump") == "68d5c05dd9b6b900");
}

TEST_CASE("what is sealed opens again, whatever its length, also in its own place") {
    Ciphers ciphers;
    for (const Cipher cipher : kCiphers) {
        CAPTURE(static_cast<int>(cipher));
        for (const std::size_t blocks : {0UL, 1UL, 2UL, 15UL, 16UL, 17UL, 4000UL}) {
            const Octets plaintext = counting(blocks * block_size(cipher));
            const Octets bytes = sealed(ciphers, cipher, plaintext);
            Octets opened(plaintext.size(), 0xee);
            REQUIRE(open(ciphers, cipher, bytes, opened));
            CHECK(opened == plaintext);

            Octets place = plaintext;
            place.resize(bytes.size());
            REQUIRE(ciphers.seal(cipher, key_of(cipher), nonce_of(cipher), associated_of(cipher),
                                 Bytes{place}.first(plaintext.size()), place));
            CHECK(place == bytes);
            REQUIRE(open(ciphers, cipher, place, MutableBytes{place}.first(plaintext.size())));
            place.resize(plaintext.size());
            CHECK(place == plaintext);
        }
    }
}

TEST_CASE("AEADs: any change makes opening fail and leaves nothing of the plaintext, and the object works on") {
    Ciphers ciphers;
    for (const Cipher cipher : kCiphers) {
        if (tag_size(cipher) == 0) {
            continue;
        }
        CAPTURE(static_cast<int>(cipher));
        const Octets good = sealed(ciphers, cipher, as_bytes("hello"));
        Octets out(5);
        for (std::size_t index = 0; index < good.size(); ++index) {
            Octets changed = good;
            changed[index] ^= 1U;
            out.assign(5, 0xee);
            const auto opened = open(ciphers, cipher, changed, out);
            REQUIRE(!opened);
            CHECK(opened.error().reason == "bad-tag");
            CHECK(out == Octets(5));
        }
        const Octets key = key_of(cipher);
        const Octets nonce = nonce_of(cipher);
        CHECK(!ciphers.open(cipher, counting(key.size(), 1), nonce, associated_of(cipher), good, out));
        CHECK(!ciphers.open(cipher, key, counting(nonce.size(), 1), associated_of(cipher), good, out));
        CHECK(!ciphers.open(cipher, key, nonce, as_bytes("dissociated"), good, out));
        CHECK(!ciphers.open(cipher, key, nonce, {}, good, out));
        CHECK(open(ciphers, cipher, good, out));
        CHECK(as_text(out) == "hello");
    }
}

TEST_CASE("ciphertext that is shorter than a tag, or no whole blocks, does not open") {
    Ciphers ciphers;
    const Octets bytes(17);
    for (const Cipher cipher : kCiphers) {
        if (tag_size(cipher) > 0) {
            const auto opened = open(ciphers, cipher, Bytes{bytes}.first(15), {});
            REQUIRE(!opened);
            CHECK(opened.error().reason == "open-failed");
        } else if (block_size(cipher) > 1) {
            Octets out(17);
            const auto opened = open(ciphers, cipher, bytes, out);
            REQUIRE(!opened);
            CHECK(opened.error().reason == "open-failed");
        }
    }
}

TEST_CASE("algorithms may take turns in one object") {
    Ciphers ciphers;
    const Octets plaintext = counting(48);
    for (int round = 0; round < 2; ++round) {
        for (const Cipher cipher : kCiphers) {
            Ciphers fresh;
            CHECK(sealed(ciphers, cipher, plaintext) == sealed(fresh, cipher, plaintext));
        }
    }
}
