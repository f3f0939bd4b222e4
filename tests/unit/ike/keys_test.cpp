#include "ike/keys.hpp"

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <array>
#include <string>

#include "tests/support/hex.hpp"
#include "tests/vectors/nist_ikev2_kdf.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::KdfVector;
using keysluice::ike::testing::kKdfVectors;
using keysluice::testing::from_hex;
using keysluice::testing::to_hex;

namespace {

using Octets = std::vector<std::uint8_t>;

Octets counting(std::size_t size, std::uint8_t first) {
    Octets bytes(size);
    for (std::size_t index = 0; index < size; ++index) {
        bytes[index] = static_cast<std::uint8_t>(first + index);
    }
    return bytes;
}

std::string hex(const auto& secret) {
    return to_hex(secret.expose());
}
std::string hex(const Rare<IntegrityKey>& key) {
    return key ? hex(*key) : "";
}

/// All keys in the order in which prf+ gives them.
std::string joined(const IkeKeys& keys) {
    const std::string proof = keys.proof ? hex(keys.proof->initiator) + hex(keys.proof->responder) : "";
    return hex(keys.d) + hex(keys.initiator.integrity) + hex(keys.responder.integrity) +
           hex(keys.initiator.encryption) + hex(keys.responder.encryption) + proof;
}

std::string joined(const ChildKeys& keys) {
    return hex(keys.initiator.encryption) + hex(keys.initiator.integrity) + hex(keys.responder.encryption) +
           hex(keys.responder.integrity);
}

/// What is as long as the shorter of the two.
std::string common(std::string_view text, std::string_view other) {
    return std::string(text.substr(0, other.size()));
}

std::string sha256(std::string_view hexadecimal) {
    const Octets bytes = from_hex(hexadecimal);
    Octets digest(32);
    REQUIRE(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
    return to_hex(digest);
}

constexpr Encryption kAesCbc128{EncryptionId::aes_cbc, 128};

struct Vector {
    PrfId prf;
    const char* keys;
    const char* rekeyed;
    const char* child;
    const char* child_with_exchange;
    const char* auth;
};

/// From tests/vectors/ike_keys.py: SHA-256 of all keys, with AES-CBC-128 and HMAC-SHA2-512-256.
constexpr std::array kVectors{
    Vector{PrfId::hmac_md5, "5a906b1faea1f37cf608cdf02d5abaf29a4884ee32803143991a913b14009c07",
           "156f592456dc2b01ceb2e68325ee2650ea4bf8cef65d772427ab3520d4d4ba9d",
           "139852eef545e02d40c129d96d382e4f31c7bf9be020f7cc1a0bf8cf4d820bcb",
           "20f507e3b6fb4915753259ac9d59f4b79d5bb1e5006d56f3e4bcaa545a27101e",
           "427e23eda9d45aad297a9cdb912b66268a001248b7f68a6f0d7484b9cf087ba9"},
    Vector{PrfId::hmac_sha1, "453a812625ab3270dfa955d35e4e28c7ee992294d5699814b2f7a786e300bf9f",
           "cf24961941812a132c1c932c707bf702dc52d99025989793d1f2aa69e6a832be",
           "371e31fb4e10719485fa721a9934d786f92d86db949edc58b4fa17224a521c76",
           "e231f6e25fa81295805b27ac548829b260c271310a428a77a1f5fd840f35fb87",
           "4c8cb1eb53c94249cad65ed38ab02a0992a15ade72fb55d313d075d7e2739006"},
    Vector{PrfId::aes128_xcbc, "c173f849c5ad8bfa40762518346bd3949a619a3ced9774e952d88e53ff42028f",
           "7011a7102569ed3e316accb78a89396b97a1b30a3d27616aecd145f2cb2fe610",
           "4ff7cf06bd28050be7865d476b1114dc41cae7dac4328c6bae20d63b2dd68539",
           "2e090f1b2aa8dd8b828934a4552a3b75f653c12edc5acf059be873f17943bb8e",
           "88efcdf415c85114b48e2c4cefb89ac846cc2a4ba66b60e2177c23411c6d2e2b"},
    Vector{PrfId::hmac_sha2_256, "0d86c26760fce3e546fa1ff6794a0cba01b0b21849aba8102e5334dca0f6ca7f",
           "689a86f21c9e99d1a434ab3f7e7b78fd860f52efcdba5fed08369d05fbc736ad",
           "67627f034ff43d1a8fe7df542bc3eb0cac502ae1ac11b65fce509ef05327b3ac",
           "20318ec1f069480749105748ccdfe2362bd911a185ccb2b7945de07e5a9127ea",
           "e647c4bdf4e90f6aaf79d55d149c439004cff0c6b8c700c32bece6a15778fa0d"},
    Vector{PrfId::hmac_sha2_384, "9f143a7b63007f9e0b4f26713c6e878265d8cef60022f70e22328fc028d4ef5d",
           "981e5658915720ddd124eea05f6edcb9a74fbe18f6c029f8e1bc805c44806475",
           "0c0d7d275f956f3bf169d03231fb91f07abf4413383817fbafebd39a26ffc24e",
           "1454a836680adab614d64950525fe00a38a15a0c3f7fd66ba89577ddfa94e175",
           "084685329d0054618214853e6a4f4bc001c00bcf083c199d8fbdcd98cd727ab7"},
    Vector{PrfId::hmac_sha2_512, "df632b479702c4a6def9d7fe939109b7b30f4c501c496d9c164895826332bec9",
           "4d7f8c4caffc9eca74e1a3a5c735fc1bc3cee084f949a3dd30a19b99b05880b3",
           "224349d250bb075b8da3e8037248b1386617e4b5750edc680f02605b74375811",
           "ddf134f26b4e35f01cfce9b60d68928ae27179b24a319df38249e8bb2bfeee0f",
           "29d54fea8b14c2ee145e44b28c60d8483a9359debc01a9a0689021a586b6a9ec"},
    Vector{PrfId::aes128_cmac, "307438c02d187eee00c9813426b080dfabdd5f35c2f5f8a1d34da1f45dc4b866",
           "1de60b2f37849ead03a51ed6c994765894785e697faecfa6050e7db24c7d97d2",
           "55873865516e9c729cef0ba9e509db58015a57524632b03b0aef69a7a3ec76ff",
           "f76f701e1c96c4eddbd808953d527fba17d3642c1b1a1ef1f9b73dd623fd2988",
           "7ae9b587777aceb848af971564797b12bc9e464470e2518a3482f52fd740613a"},
};

/// What ike_keys.py derives from.
struct Inputs {
    Octets ni = counting(32, 0x20);
    Octets nr = counting(24, 0x60);
    crypto::SharedSecret shared{counting(32, 0x80)};
    crypto::SharedSecret new_shared{counting(32, 0xa0)};
    IkeSpi spi_i{0x0102030405060708};
    IkeSpi spi_r{0x1112131415161718};
    Octets id_body = from_hex("02000000656173742e6578616d706c65");

    [[nodiscard]] Nonces nonces() const { return {ni, nr}; }
};

IkeKeys derive(Toolbox& tools, const IkeSuite& suite, const Inputs& inputs) {
    auto keys = derive_ike_keys(tools, suite, inputs.nonces(), inputs.spi_i, inputs.spi_r, inputs.shared);
    REQUIRE(keys);
    return std::move(*keys);
}

}  // namespace

TEST_CASE("IKE and CHILD SA keys are those of NIST's vectors, rekeyed ones too") {
    Toolbox tools;
    for (const KdfVector& vector : kKdfVectors) {
        CAPTURE(std::string(vector.name));
        const IkeSuite suite{kAesCbc128, IntegrityId::hmac_sha2_256_128, vector.prf, GroupId::modp2048};
        const Octets ni = from_hex(vector.ni);
        const Octets nr = from_hex(vector.nr);
        const Octets spis = from_hex(std::string(vector.spi_i) + vector.spi_r);
        Reader reader(spis);
        const IkeSpi spi_i{reader.be<std::uint64_t>()};
        const IkeSpi spi_r{reader.be<std::uint64_t>()};
        const crypto::SharedSecret shared{from_hex(vector.shared)};
        const crypto::SharedSecret new_shared{from_hex(vector.new_shared)};
        const auto keys = derive_ike_keys(tools, suite, {ni, nr}, spi_i, spi_r, shared);
        REQUIRE(keys);
        CHECK(common(joined(*keys), vector.keys) == common(vector.keys, joined(*keys)));

        const EspSuite esp{kAesCbc128, IntegrityId::hmac_sha2_256_128, GroupId::none, false};
        const auto child = derive_child_keys(tools, suite.prf, keys->d, esp, {ni, nr}, nullptr);
        REQUIRE(child);
        CHECK(common(joined(*child), vector.child) == common(vector.child, joined(*child)));
        const auto with_exchange = derive_child_keys(tools, suite.prf, keys->d, esp, {ni, nr}, &new_shared);
        REQUIRE(with_exchange);
        CHECK(common(joined(*with_exchange), vector.child_with_exchange) ==
              common(vector.child_with_exchange, joined(*with_exchange)));

        // Of the rekeyed SA the vectors tell SKEYSEED alone.
        const auto rekeyed =
            derive_rekeyed_ike_keys(tools, suite.prf, keys->d, suite, {ni, nr}, spi_i, spi_r, new_shared);
        REQUIRE(rekeyed);
        Octets expected(joined(*rekeyed).size() / 2);
        REQUIRE(crypto::prf_plus(tools.macs, prf_of(vector.prf), from_hex(vector.rekeyed_seed),
                                 std::array{Bytes{ni}, Bytes{nr}, Bytes{spis}}, expected));
        CHECK(joined(*rekeyed) == to_hex(expected));
    }
}

TEST_CASE("keys of every PRF are those of an independent computation") {
    Toolbox tools;
    const Inputs inputs;
    for (const Vector& vector : kVectors) {
        CAPTURE(static_cast<int>(vector.prf));
        const IkeSuite suite{kAesCbc128, IntegrityId::hmac_sha2_512_256, vector.prf, GroupId::x25519};
        const IkeKeys keys = derive(tools, suite, inputs);
        CHECK(sha256(joined(keys)) == vector.keys);

        IkeSuite next = suite;
        next.prf = PrfId::hmac_sha2_512;
        const auto rekeyed = derive_rekeyed_ike_keys(tools, suite.prf, keys.d, next, inputs.nonces(), inputs.spi_i,
                                                     inputs.spi_r, inputs.new_shared);
        REQUIRE(rekeyed);
        CHECK(sha256(joined(*rekeyed)) == vector.rekeyed);

        const EspSuite esp{kAesCbc128, IntegrityId::hmac_sha2_512_256, GroupId::none, false};
        const auto child = derive_child_keys(tools, suite.prf, keys.d, esp, inputs.nonces(), nullptr);
        REQUIRE(child);
        CHECK(sha256(joined(*child)) == vector.child);
        const auto with_exchange =
            derive_child_keys(tools, suite.prf, keys.d, esp, inputs.nonces(), &inputs.new_shared);
        REQUIRE(with_exchange);
        CHECK(sha256(joined(*with_exchange)) == vector.child_with_exchange);

        const auto auth = shared_key_auth(tools, suite.prf, as_bytes("correct horse"), as_bytes("IKE_SA_INIT"),
                                          inputs.nr, keys.proof->initiator, inputs.id_body);
        REQUIRE(auth);
        CHECK(sha256(hex(*auth)) == vector.auth);
    }
}

TEST_CASE("an AEAD takes its salt with its key, and no integrity key") {
    Toolbox tools;
    const Inputs inputs;
    IkeSuite suite{{EncryptionId::aes_gcm_16, 256}, IntegrityId::none, PrfId::hmac_sha2_256, GroupId::x25519};
    const IkeKeys gcm = derive(tools, suite, inputs);
    CHECK(gcm.d.size() == 32);
    CHECK(gcm.proof->responder.size() == 32);
    CHECK(gcm.initiator.encryption.size() == 36);
    CHECK(gcm.responder.encryption.size() == 36);
    CHECK(!gcm.initiator.integrity);
    CHECK(!gcm.responder.integrity);

    // One stream of octets is cut in both cases.
    suite.encryption = {EncryptionId::aes_ccm_16, 128};
    const IkeKeys ccm = derive(tools, suite, inputs);
    CHECK(ccm.initiator.encryption.size() == 19);
    CHECK(joined(gcm).starts_with(joined(ccm)));
}

TEST_CASE("nonces, SPIs, direction and the shared secret all change the keys") {
    Toolbox tools;
    const IkeSuite suite{
        {EncryptionId::chacha20_poly1305, 0}, IntegrityId::none, PrfId::hmac_sha2_256, GroupId::x25519};
    const std::string base = joined(derive(tools, suite, Inputs{}));
    const auto changed = [&](auto change) {
        Inputs inputs;
        change(inputs);
        return joined(derive(tools, suite, inputs));
    };
    CHECK(changed([](Inputs&) {}) == base);
    CHECK(changed([](Inputs& inputs) { inputs.ni.back() ^= 1U; }) != base);
    CHECK(changed([](Inputs& inputs) { inputs.nr.back() ^= 1U; }) != base);
    CHECK(changed([](Inputs& inputs) { std::swap(inputs.ni, inputs.nr); }) != base);
    CHECK(changed([](Inputs& inputs) { std::swap(inputs.spi_i, inputs.spi_r); }) != base);
    CHECK(changed([](Inputs& inputs) { inputs.shared.clear(); }) != base);
}

TEST_CASE("a signature signs the message, the peer's nonce and the authenticated identity") {
    Toolbox tools;
    const PrfKey p{as_bytes("Jefe")};
    const auto octets = signed_octets(tools, PrfId::hmac_sha2_256, as_bytes("message"), as_bytes("nonce"), p,
                                      as_bytes("what do ya want for nothing?"));
    REQUIRE(octets);
    // RFC 4231 section 4.3 behind both texts.
    CHECK(to_hex(*octets) ==
          to_hex(as_bytes("messagenonce")) + "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST_CASE("sizes of keys, with the salts of RFC 5282, 7634 and 3686") {
    CHECK(encryption_key_size({EncryptionId::aes_gcm_16, 128}) == 20);
    CHECK(encryption_key_size({EncryptionId::aes_gcm_16, 256}) == 36);
    CHECK(encryption_key_size({EncryptionId::aes_ccm_16, 192}) == 27);
    CHECK(encryption_key_size({EncryptionId::aes_ctr, 256}) == 36);
    CHECK(encryption_key_size({EncryptionId::aes_cbc, 256}) == 32);
    CHECK(encryption_key_size({EncryptionId::chacha20_poly1305, 0}) == 36);
    CHECK(encryption_key_size({EncryptionId::des3, 0}) == 24);
    CHECK(encryption_key_size({EncryptionId::null, 0}) == 0);
    // RFC 4868 section 2.1.1: keys have the size of the hash function's output.
    CHECK(integrity_key_size(IntegrityId::hmac_sha2_256_128) == 32);
    CHECK(integrity_key_size(IntegrityId::hmac_sha2_384_192) == 48);
    CHECK(integrity_key_size(IntegrityId::hmac_sha2_512_256) == 64);
    CHECK(integrity_key_size(IntegrityId::hmac_sha1_96) == 20);
    CHECK(integrity_key_size(IntegrityId::hmac_md5_96) == 16);
    CHECK(integrity_key_size(IntegrityId::aes_xcbc_96) == 16);
    CHECK(integrity_key_size(IntegrityId::none) == 0);
}

TEST_CASE("numbers of groups stand for the groups of that public value's size") {
    constexpr std::array<std::pair<GroupId, std::size_t>, 11> kSizes{{
        {GroupId::modp768, 96},
        {GroupId::modp1024, 128},
        {GroupId::modp1536, 192},
        {GroupId::modp2048, 256},
        {GroupId::modp3072, 384},
        {GroupId::modp4096, 512},
        {GroupId::ecp256, 64},
        {GroupId::ecp384, 96},
        {GroupId::ecp521, 132},
        {GroupId::x25519, 32},
        {GroupId::x448, 56},
    }};
    for (const auto& [id, size] : kSizes) {
        CHECK(crypto::public_size(group_of(id)) == size);
    }
}

TEST_CASE("AEADs are known as such") {
    CHECK(is_aead(EncryptionId::aes_gcm_16));
    CHECK(is_aead(EncryptionId::aes_ccm_16));
    CHECK(is_aead(EncryptionId::chacha20_poly1305));
    CHECK(!is_aead(EncryptionId::aes_cbc));
    CHECK(!is_aead(EncryptionId::aes_ctr));
    CHECK(!is_aead(EncryptionId::des3));
    CHECK(!is_aead(EncryptionId::null));
}
