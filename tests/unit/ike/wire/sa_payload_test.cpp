#include "tests/unit/ike/wire/octets.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using namespace keysluice::ike::wire;

namespace {

Octets transform(bool last, unsigned type, unsigned id, const Octets& attributes = {}) {
    return joined({{static_cast<std::uint8_t>(last ? 0 : 3), 0},
                   big_endian(8 + attributes.size(), 2),
                   {static_cast<std::uint8_t>(type), 0},
                   big_endian(id, 2),
                   attributes});
}

Octets proposal(bool last, unsigned number, unsigned protocol, const Octets& spi, unsigned count,
                const Octets& transforms) {
    return joined({{static_cast<std::uint8_t>(last ? 0 : 2), 0},
                   big_endian(8 + spi.size() + transforms.size(), 2),
                   {static_cast<std::uint8_t>(number), static_cast<std::uint8_t>(protocol),
                    static_cast<std::uint8_t>(spi.size()), static_cast<std::uint8_t>(count)},
                   spi,
                   transforms});
}

Octets alone(const Octets& attributes) {
    return proposal(true, 1, 1, {}, 1, transform(true, 1, 20, attributes));
}

Transform only_transform(const Octets& attributes) {
    const auto payload = parsed_alone<SaPayload>(PayloadType::sa, alone(attributes));
    REQUIRE(payload.proposals.size() == 1);
    REQUIRE(payload.proposals[0].transforms.size() == 1);
    return payload.proposals[0].transforms[0];
}

// RFC 7296 section 3.3's example: AES-CBC with HMAC-SHA1-96 or AES-XCBC-96, or AES-GCM.
const char* const kExample =
    "02 00 0050 01 03 04 07 052349f1"  // proposal 1 of ESP with 7 transforms
    "03 00 000c 01 00 000c 800e 0080"  // AES-CBC, 128 bits
    "03 00 000c 01 00 000c 800e 00c0"  // 192
    "03 00 000c 01 00 000c 800e 0100"  // 256
    "03 00 0008 03 00 0002"            // HMAC-SHA1-96
    "03 00 0008 03 00 0005"            // AES-XCBC-96
    "03 00 0008 05 00 0001"            // ESN
    "00 00 0008 05 00 0000"            // no ESN
    "00 00 0034 02 03 04 04 35a1d6f2"  // proposal 2 of ESP with 4 transforms
    "03 00 000c 01 00 0012 800e 0080"  // AES-GCM with a tag of 8 octets, 128 bits
    "03 00 000c 01 00 0012 800e 0100"  // 256
    "03 00 0008 05 00 0001 00 00 0008 05 00 0000";

SaPayload example() {
    using enum TransformType;
    return {{Proposal{1,
                      Protocol::esp,
                      {0x05, 0x23, 0x49, 0xf1},
                      {{encryption, 12, 128},
                       {encryption, 12, 192},
                       {encryption, 12, 256},
                       {integrity, 2},
                       {integrity, 5},
                       {esn, 1},
                       {esn, 0}}},
             Proposal{2,
                      Protocol::esp,
                      {0x35, 0xa1, 0xd6, 0xf2},
                      {{encryption, 18, 128}, {encryption, 18, 256}, {esn, 1}, {esn, 0}}}}};
}

}  // namespace

TEST_CASE("SA: the example of RFC 7296") {
    CHECK(parsed_alone<SaPayload>(PayloadType::sa, hex(kExample)) == example());
    CHECK(emitted_alone(example()) == hex(kExample));
    CHECK(print(Payload(example())) ==
          "SA(ESP: aes128-aes192-aes256-sha1-aesxcbc-esn-noesn, ESP: encryption 18 (128 bits)-encryption 18 (256 "
          "bits)-esn-noesn)");
}

TEST_CASE("SA: reserved octets mean nothing") {
    Octets body = hex(kExample);
    for (const std::size_t reserved : {1U, 13U, 17U, 25U}) {
        body[reserved] = 0xff;
    }
    CHECK(parsed_alone<SaPayload>(PayloadType::sa, body) == example());
}

TEST_CASE("SA: an attribute that is not understood marks its transform") {
    CHECK(only_transform({}) == Transform{TransformType::encryption, 20, 0, false});
    CHECK(only_transform(hex("800e 0100")) == Transform{TransformType::encryption, 20, 256, false});
    for (const char* attributes : {"800f 0100",            // an unknown type
                                   "800e 0000",            // no key length is 0
                                   "000e 0002 0100",       // the key length as one of variable length
                                   "0063 0000",            // unknown and empty
                                   "0063 0003 aabbcc"}) {  // unknown, with a value
        const Transform transform = only_transform(hex(attributes));
        CHECK_MESSAGE(transform.not_understood, attributes);
        CHECK(transform.key_bits == 0);
    }
    CHECK(only_transform(hex("800e 0080 800e 0100")).not_understood);
    CHECK(only_transform(hex("8063 0001 800e 0080")) == Transform{TransformType::encryption, 20, 128, true});
}

TEST_CASE("SA: what was not understood stays that when it is passed on") {
    const SaPayload payload{{Proposal{1, Protocol::ike, {}, {Transform{TransformType::encryption, 20, 128, true}}}}};
    CHECK(parsed_alone<SaPayload>(PayloadType::sa, emitted_alone(payload)) == payload);
}

TEST_CASE("SA: transform types and protocols without a name are let through") {
    const Octets body = proposal(true, 1, 4, {}, 1, transform(true, 6, 35));
    const auto payload = parsed_alone<SaPayload>(PayloadType::sa, body);
    CHECK(payload.proposals[0].protocol == static_cast<Protocol>(4));
    CHECK(payload.proposals[0].transforms[0].type == static_cast<TransformType>(6));
    CHECK(print(Payload(payload)) == "SA(protocol 4: transform type 6 35)");
    CHECK(emitted_alone(payload) == body);
}

TEST_CASE("SA: lengths and counts must agree") {
    const Octets one = transform(true, 1, 20);
    refused(PayloadType::sa, {}, "proposal's length of 0");
    refused(PayloadType::sa, hex("00 00 0003"), "proposal's length of 3");
    refused(PayloadType::sa, hex("00 00 0008 01 01 00"), "proposal's length of 8");
    refused(PayloadType::sa, hex("00 00 0007 01 01 00"), "no room for its SPI");
    refused(PayloadType::sa, hex("00 00 0009 01 01 02 01 aa"), "no room for its SPI");
    refused(PayloadType::sa, hex("00 00 0008 01 01 00 00"), "1 to 64 transforms, got 0");
    refused(PayloadType::sa, proposal(true, 1, 1, {}, 65, one), "1 to 64 transforms, got 65");
    refused(PayloadType::sa, proposal(true, 1, 1, {}, 1, {}), "transform's length of 0");
    refused(PayloadType::sa, proposal(true, 1, 1, {}, 2, one), "counts 2 transforms and has 1");
    refused(PayloadType::sa, proposal(true, 1, 1, {}, 1, joined({transform(false, 1, 20), one})),
            "counts 1 transforms and has more");
    refused(PayloadType::sa, proposal(true, 1, 1, {}, 1, transform(false, 1, 20)), "another transform is promised");
    refused(PayloadType::sa, proposal(true, 1, 1, {}, 1, joined({one, one})), "8 octets behind the last transform");
    refused(PayloadType::sa, proposal(true, 1, 1, {}, 1, hex("00 00 0007 01 00 00")), "at least 8 octets, got 7");
    refused(PayloadType::sa, proposal(true, 1, 1, {}, 1, hex("00 00 0009 01 00 0014")), "transform's length of 9");
    refused(PayloadType::sa, proposal(true, 1, 1, {}, 1, hex("01 00 0008 01 00 0014")), "got 1");
    refused(PayloadType::sa, proposal(false, 1, 1, {}, 1, one), "another proposal is promised");
    refused(PayloadType::sa, joined({alone({}), alone({})}), "behind the last proposal");
    refused(PayloadType::sa, alone(hex("800e 01")), "an attribute ends behind");
    refused(PayloadType::sa, alone(hex("000f 0002 01")), "an attribute ends behind");
}

TEST_CASE("SA: proposals are numbered from 1, but an accepted one has the number that it had") {
    const Octets one = transform(true, 1, 20);
    const auto pair = [&one](unsigned first, unsigned second) {
        return joined({proposal(false, first, 1, {}, 1, one), proposal(true, second, 1, {}, 1, one)});
    };
    CHECK(parsed_alone<SaPayload>(PayloadType::sa, pair(1, 2)).proposals.size() == 2);
    CHECK(parsed_alone<SaPayload>(PayloadType::sa, proposal(true, 7, 1, {}, 1, one)).proposals[0].number == 7);
    refused(PayloadType::sa, pair(2, 3), "number 1 expected, got 2");
    refused(PayloadType::sa, pair(1, 1), "number 2 expected, got 1");
    refused(PayloadType::sa, pair(1, 3), "number 2 expected, got 3");
}

TEST_CASE("SA: 64 proposals are read, 65 are too many") {
    const auto many = [](unsigned count) {
        Octets body;
        for (unsigned number = 1; number <= count; ++number) {
            body = joined({body, proposal(number == count, number, 1, {}, 1, transform(true, 1, 20))});
        }
        return body;
    };
    const auto payload = parsed_alone<SaPayload>(PayloadType::sa, many(64));
    CHECK(payload.proposals.size() == 64);
    CHECK(print(Payload(payload)).ends_with("and 56 more)"));
    refused(PayloadType::sa, many(65), "more than 64 proposals");
}
