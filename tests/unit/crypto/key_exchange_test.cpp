#include "crypto/key_exchange.hpp"

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

constexpr std::array kGroups{Group::modp768,  Group::modp1024, Group::modp1536, Group::modp2048,
                             Group::modp3072, Group::modp4096, Group::ecp256,   Group::ecp384,
                             Group::ecp521,   Group::x25519,   Group::x448};

Octets counting(std::size_t size, std::uint8_t first) {
    Octets bytes(size);
    for (std::size_t index = 0; index < size; ++index) {
        bytes[index] = static_cast<std::uint8_t>(first + index);
    }
    return bytes;
}

KeyPair pair_of(Group group, Bytes random) {
    auto pair = make_key_pair(group, random);
    REQUIRE(pair);
    return std::move(*pair);
}

std::string shared(const KeyPair& own, Bytes peer) {
    const auto secret = shared_secret(own, peer);
    REQUIRE(secret);
    return to_hex(secret->expose());
}

void check_refused(const KeyPair& own, Bytes peer) {
    const auto secret = shared_secret(own, peer);
    REQUIRE(!secret);
    CHECK(secret.error().reason == "key-exchange-refused");
}

/// What makes an ECP private value: the value less one, since it is reduced modulo the order less one and gets one
/// added.
Octets random_for(Group group, std::string_view private_value) {
    Octets random(private_size(group));
    const Octets value = from_hex(private_value);
    std::copy(value.begin(), value.end(), random.end() - static_cast<std::ptrdiff_t>(value.size()));
    random.back() = static_cast<std::uint8_t>(random.back() - 1);
    return random;
}

std::string sha256(Bytes bytes) {
    Octets digest(32);
    REQUIRE(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
    return to_hex(digest);
}

struct EcpVector {
    Group group;
    const char* i;
    const char* gi;
    const char* r;
    const char* gr;
    const char* gir;
};

/// RFC 5903 section 8.
constexpr std::array kEcpVectors{
    EcpVector{Group::ecp256, "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
              "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c37725811805271a0461cdb8252d61f1c456fa3e59a"
              "b1f45b33accf5f58389e0577b8990bb3",
              "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
              "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf6356fbf3ca366cc23e8157854c13c58d6a"
              "ac23f046ada30f8353e74f33039872ab",
              "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de"},
    EcpVector{Group::ecp384,
              "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194",
              "667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6de3ac808acb4bdb4c88732aee95f41aa"
              "9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c",
              "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942e0308312916b8ed2960e4bd55a7448fc",
              "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a0336def96fda41d0774a3571"
              "dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c",
              "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d09cf5d4a270f59746"},
    EcpVector{Group::ecp521,
              "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa85a30fe1c2952c6771d937ba9777"
              "f5957b2639bab072462f68c27a57382d4a52",
              "0015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbee1e3bf42e00b8e380aeae57c2d107564"
              "941885942af5a7f4601723c4195d176ced3e017cae20b6641d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4"
              "a10ad8a788015ac405d7799dc75e7b7d5b6cf2261a6a7f1507438bf01beb6ca3926f9582",
              "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e9c677d600b343757a3bdbf2a3163e4c2"
              "f869cca7458aa4a4effc311f5cb151685eb9",
              "00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a219b97c356436adc6e95bb0352f6be64a6"
              "c2912d4ef2d0433ced2b6171640012d9460f015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d985207"
              "7b87220b6536c5c408a1d2aebb8e86d678ae49cb57091f4732296579ab44fcd17f0fc56a",
              "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04d1427e73ca4baa240a34786859810c06"
              "b3c715a3a8cc3151f2bee417996d19f3ddea"},
};

struct ModpVector {
    Group group;
    const char* public_hash;
    const char* shared_hash;
};

/// Computed with Python's pow() over primes made with the formulas of RFC 2409 and 3526 from digits of pi: SHA-256 of
/// the public value and the shared secret, for the private values 1, 2, 3 … 64 and 101, 102 … 164.
constexpr std::array kModpVectors{
    ModpVector{Group::modp768, "ba25d81cf13ce4977fbd063d8a7f46d9418cd842dc90a35ab5327c06546a24d4",
               "35445baf6af32a84d00c90373efbf1c75916f006a900cb18e3ddaba4fafce5ff"},
    ModpVector{Group::modp1024, "27db84123663a2cbf34c7606477c23ea00a792ebb565df0d944d90ce6907d9dc",
               "57b18d475c2ce47464fbb60965c5a8fdf611741e3b98a206229cfbc9d7a06323"},
    ModpVector{Group::modp1536, "750965c4f6ff416538ae09f001ebdf1dc4d531a40416f7e07cbda8c38abe27aa",
               "5a4cafc99343908c9c050b6618fb23a392309c4d5c3e191b8aadd042a5520355"},
    ModpVector{Group::modp2048, "5141ed60d422816c251a9a61f4dc090fc6161ec870357a0af29fb84a0bb34e5e",
               "2653ad553ee4f0365eb3fcf8d54978fa2f6f1e7cdfed5b9bee3750cb25c7ca24"},
    ModpVector{Group::modp3072, "077dffd743a6dda7e2400cb20075f1619d72d9eb8c6fb5d0c2af92940f79bddc",
               "488623bd89ce088ecc04f5dfc646b7b5103cca698d3d51ef4974c5a038483729"},
    ModpVector{Group::modp4096, "0439872574dafc9b300359ea0dd742c3976ccf9fa56883bdb8268462adedf8cf",
               "956de073b3e2c1737a6cd481d40fec3d08924bbec23bb0ade8b2b784b209ed40"},
};

}  // namespace

TEST_CASE("X25519 gives the values of RFC 8031 appendix A") {
    const KeyPair initiator =
        pair_of(Group::x25519, from_hex("751fb4308655b476b6789b7325f9ea8cddd16a58533ff6d9e60009464a5f9d94"));
    const KeyPair responder =
        pair_of(Group::x25519, from_hex("0a54645253290d60ddadd0e030bacd9e5501efdc220755a1e978f1b839a05688"));
    CHECK(to_hex(initiator.public_value) == "48d5ddd4061257ba166fa3f9bbdb74f1a4e81c089384fa77f790709f0dfbc766");
    CHECK(to_hex(responder.public_value) == "0be7c1f5aad87d7e448662673298a443478b859745179eaf564c79c0ef6eee25");
    constexpr const char* kShared = "c74950607a12327f3204d94b6825bfb068b7f8319a9e3708ed3d43ce8130c950";
    CHECK(shared(initiator, responder.public_value) == kShared);
    CHECK(shared(responder, initiator.public_value) == kShared);
}

TEST_CASE("X448 gives the values of RFC 7748 section 6.2") {
    const KeyPair alice = pair_of(Group::x448, from_hex("9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28d"
                                                        "d9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b"));
    const KeyPair bob = pair_of(Group::x448, from_hex("1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d"
                                                      "6927c120bb5ee8972b0d3e21374c9c921b09d1b0366f10b65173992d"));
    CHECK(to_hex(alice.public_value) ==
          "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c"
          "22c5d9bbc836647241d953d40c5b12da88120d53177f80e532c41fa0");
    CHECK(shared(alice, bob.public_value) ==
          "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282b"
          "b60c0b56fd2464c335543936521c24403085d59a449a5037514a879d");
}

TEST_CASE("ECP groups give the values of RFC 5903 section 8") {
    for (const EcpVector& vector : kEcpVectors) {
        const KeyPair initiator = pair_of(vector.group, random_for(vector.group, vector.i));
        const KeyPair responder = pair_of(vector.group, random_for(vector.group, vector.r));
        CHECK(to_hex(initiator.private_value.expose()) == vector.i);
        CHECK(to_hex(initiator.public_value) == vector.gi);
        CHECK(to_hex(responder.public_value) == vector.gr);
        CHECK(shared(initiator, responder.public_value) == vector.gir);
        CHECK(shared(responder, initiator.public_value) == vector.gir);
    }
}

TEST_CASE("MODP groups give the values of an independent computation") {
    for (const ModpVector& vector : kModpVectors) {
        const KeyPair own = pair_of(vector.group, counting(64, 1));
        const KeyPair peer = pair_of(vector.group, counting(64, 101));
        CHECK(sha256(own.public_value) == vector.public_hash);
        CHECK(sha256(shared_secret(own, peer.public_value).value().expose()) == vector.shared_hash);
        CHECK(shared(peer, own.public_value) == shared(own, peer.public_value));
    }
}

TEST_CASE("a shared secret keeps the size of the prime when it begins with zeros") {
    Octets random(64);
    random[62] = 0x03;
    random[63] = 0xf2;
    const KeyPair peer = pair_of(Group::modp768, random);
    CHECK(shared(pair_of(Group::modp768, counting(64, 1)), peer.public_value) ==
          "00a9c8bc7c436fd4da58e834984074601cdfd1d7642dc16e9d3378acacaeef8f69d6fa322eda3e2e26898e5c0ed53024"
          "81bd6e99f10badf0865954599ef1b176827c712858f19a7cae573257b7e22f278aa309921b22a878c85535cfebcdb8d1");
}

TEST_CASE("both sides of every group agree, sizes are as told, and a pair read back works") {
    for (const Group group : kGroups) {
        CAPTURE(static_cast<int>(group));
        const KeyPair own = pair_of(group, counting(private_size(group), 3));
        const KeyPair peer = pair_of(group, counting(private_size(group), 90));
        CHECK(own.group == group);
        CHECK(own.public_value.size() == public_size(group));
        CHECK(own.public_value != peer.public_value);
        const std::string secret = shared(own, peer.public_value);
        CHECK(secret.size() == 2 * shared_size(group));
        CHECK(shared(peer, own.public_value) == secret);
        const KeyPair again{group, duplicate(own.private_value), own.public_value};
        CHECK(shared(again, peer.public_value) == secret);
        CHECK(pair_of(group, counting(private_size(group), 3)).public_value == own.public_value);
    }
}

TEST_CASE("a public value of the wrong size is refused") {
    for (const Group group : kGroups) {
        const KeyPair own = pair_of(group, counting(private_size(group), 3));
        Octets value = pair_of(group, counting(private_size(group), 90)).public_value;
        value.push_back(0);
        check_refused(own, value);
        check_refused(own, Bytes{value}.first(value.size() - 2));
        check_refused(own, {});
    }
}

TEST_CASE("MODP: 0, 1, p-1 and everything above are refused, 2 and p-2 are not") {
    const KeyPair own = pair_of(Group::modp768, counting(64, 1));
    Octets value(96);
    check_refused(own, value);
    value[95] = 1;
    check_refused(own, value);
    value[95] = 2;
    CHECK(shared_secret(own, value));
    // RFC 2409 section 6.1.
    const Octets prime = from_hex(
        "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74"
        "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245"
        "e485b576625e7ec6f44c42e9a63a3620ffffffffffffffff");
    REQUIRE(prime.size() == 96);
    check_refused(own, prime);
    value = prime;
    value[95] = 0xfe;
    check_refused(own, value);
    value[95] = 0xfd;
    CHECK(shared_secret(own, value));
    check_refused(own, Octets(96, 0xff));
}

TEST_CASE("MODP: a private value that gives no legal public value is no pair") {
    const auto pair = make_key_pair(Group::modp2048, Octets(64));
    REQUIRE(!pair);
    CHECK(pair.error().reason == "key-exchange-failed");
}

TEST_CASE("ECP: points off the curve, infinity and coordinates above the field are refused") {
    for (const Group group : {Group::ecp256, Group::ecp384, Group::ecp521}) {
        const KeyPair own = pair_of(group, counting(private_size(group), 3));
        const Octets good = pair_of(group, counting(private_size(group), 90)).public_value;
        for (const std::size_t index : {std::size_t{1}, good.size() / 2 - 1, good.size() - 1}) {
            Octets value = good;
            value[index] ^= 1U;
            check_refused(own, value);
        }
        check_refused(own, Octets(good.size()));
        check_refused(own, Octets(good.size(), 0xff));
        CHECK(shared_secret(own, good));
    }
}

TEST_CASE("ECP: the random bytes are reduced, so that the largest make a private value too") {
    for (const Group group : {Group::ecp256, Group::ecp384, Group::ecp521}) {
        const KeyPair large = pair_of(group, Octets(private_size(group), 0xff));
        CHECK(large.private_value.size() == shared_size(group));
        const KeyPair one = pair_of(group, Octets(private_size(group)));
        CHECK(one.private_value.expose().back() == 1);
        CHECK(shared(one, large.public_value) == to_hex(Bytes{large.public_value}.first(shared_size(group))));
    }
}

TEST_CASE("X25519 and X448: values of small order are refused") {
    for (const Group group : {Group::x25519, Group::x448}) {
        const KeyPair own = pair_of(group, counting(private_size(group), 3));
        Octets value(public_size(group));
        check_refused(own, value);
        value[0] = 1;
        check_refused(own, value);
    }
    // A point of order 8.
    check_refused(pair_of(Group::x25519, counting(32, 3)),
                  from_hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"));
}

TEST_CASE("X25519: the highest bit of a peer's value does not count") {
    // RFC 8031 section 3.2: "receiving entities MUST mask the most-significant bit in the final byte for X25519".
    const KeyPair own = pair_of(Group::x25519, counting(32, 3));
    Octets value = pair_of(Group::x25519, counting(32, 90)).public_value;
    const std::string secret = shared(own, value);
    value[31] ^= 0x80U;
    CHECK(shared(own, value) == secret);
}
