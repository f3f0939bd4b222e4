#include "ike/wire/message.hpp"

#include "tests/unit/ike/wire/octets.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using namespace keysluice::ike::wire;

namespace {

const Header kInitRequest{.initiator_spi = {0x0102030405060708}, .from_initiator = true};

// The first message of a strongSwan peer, key and nonce shortened.
const char* const kInit = R"(
    0102030405060708 0000000000000000 21 20 22 08 00000000 0000009c  # IKE_SA_INIT request
    22 00 0030                                                       # SA
      00 00 002c 01 01 00 04
        03 00 000c 01 00 000c 800e 0080  # AES-CBC 128
        03 00 0008 03 00 000c            # HMAC-SHA2-256-128
        03 00 0008 02 00 0005            # PRF-HMAC-SHA2-256
        00 00 0008 04 00 001f            # x25519
    28 00 0010 001f 0000 0102030405060708                            # KE
    29 00 0014 101112131415161718191a1b1c1d1e1f                      # Ni
    29 00 000c 00 00 4004 aabbccdd                                   # NAT_DETECTION_SOURCE_IP
    29 00 0008 00 00 402e                                            # FRAGMENTATION_SUPPORTED
    2b 00 0010 00 00 402f 0002 0003 0004 0005                        # SIGNATURE_HASH_ALGORITHMS
    00 00 0008 deadbeef                                              # vendor id
)";

std::vector<Payload> init_payloads() {
    using enum TransformType;
    return {SaPayload{{Proposal{
                1, Protocol::ike, {}, {{encryption, 12, 128}, {integrity, 12}, {prf, 5}, {key_exchange, 31}}}}},
            KePayload{31, hex("0102030405060708")},
            NoncePayload{hex("101112131415161718191a1b1c1d1e1f")},
            NotifyPayload{NotifyType::nat_detection_source_ip, Protocol::none, {}, hex("aabbccdd")},
            NotifyPayload{NotifyType::fragmentation_supported, Protocol::none, {}, {}},
            NotifyPayload{NotifyType::signature_hash_algorithms, Protocol::none, {}, hex("0002000300040005")},
            VendorIdPayload{hex("deadbeef")}};
}

Octets with_length(Octets message) {
    const Octets length = big_endian(message.size(), 4);
    std::ranges::copy(length, message.begin() + 24);
    return message;
}

/// A header of an IKE_AUTH message whose first payload is `first`, with the right length before `rest`.
Octets framed(std::uint8_t first, std::string_view rest) {
    return with_length(
        joined({hex("0102030405060708 1112131415161718"), {first}, hex("20 23 08 00000001 00000000"), hex(rest)}));
}

void message_refused(const Octets& message, std::string_view why, std::string_view reason = "ike-malformed") {
    const auto outer = parse(message);
    REQUIRE_FALSE_MESSAGE(outer, std::string(why));
    CHECK(outer.error().reason == reason);
    CHECK_MESSAGE(outer.error().sentence.contains(why), outer.error().sentence);
}

}  // namespace

TEST_CASE("a whole message in the clear, both ways") {
    const Octets message = with_length(hex(kInit));
    const auto outer = parse(message);
    REQUIRE_MESSAGE(outer, (outer ? "" : outer.error().sentence));
    CHECK(outer->header == kInitRequest);
    CHECK(outer->payloads == init_payloads());
    CHECK_FALSE(outer->encrypted);
    CHECK(emit(outer->header, outer->payloads) == message);
    CHECK(print(outer->header, outer->payloads) ==
          "IKE_SA_INIT request 0 [SA(IKE: aes128-sha256-prfsha256-x25519) KEi(x25519, 8 octets) Ni "
          "N(NAT_DETECTION_SOURCE_IP) N(FRAGMENTATION_SUPPORTED) N(SIGNATURE_HASH_ALGORITHMS) V]");
}

TEST_CASE("a response names its sender's side") {
    const Header header{.exchange = ExchangeType::create_child_sa, .is_response = true, .message_id = {5}};
    CHECK(print(header, {NoncePayload{Octets(16)}, KePayload{19, {1}}}) ==
          "CREATE_CHILD_SA response 5 [Nr KEr(ecp256, 1 octet)]");
    CHECK(print(Header{.exchange = ExchangeType::informational}, {}) == "INFORMATIONAL request 0 []");
}

TEST_CASE("a message that is cut short at any octet is refused") {
    const Octets message = with_length(hex(kInit));
    for (std::size_t size = 0; size < message.size(); ++size) {
        const Bytes cut = Bytes(message).first(size);
        CHECK_FALSE(parse(cut));
        // With a length that says so, it is refused for what is missing.
        if (size >= kHeaderSize) {
            CHECK_FALSE(parse(with_length({cut.begin(), cut.end()})));
        }
    }
}

TEST_CASE("the header's length is the datagram's") {
    Octets message = with_length(hex(kInit));
    message.push_back(0);
    message_refused(message, "the header says 156 octets, and 157 arrived");
    message_refused(with_length(message), "1 octet behind the last payload");
    message.erase(message.end() - 2, message.end());
    message_refused(message, "and 155 arrived");
}

TEST_CASE("versions: 2 with any minor version, any other has a reason of its own") {
    Octets message = with_length(hex(kInit));
    message[17] = 0x2f;
    CHECK(parse(message));
    message[17] = 0x30;
    message_refused(message, "IKE version 2 expected, got 3", "ike-version");
    // What a later version's message says beyond its version is its own business.
    message.push_back(0);
    message_refused(message, "got 3", "ike-version");
    message[17] = 0x10;
    message_refused(message, "got 1: this peer must be configured for IKEv2", "ike-version");
}

TEST_CASE("the initiator's SPI is zero outside of an IKE SA only") {
    Octets message = with_length(hex(kInit));
    std::fill_n(message.begin(), 8, std::uint8_t{0});
    message_refused(message, "the initiator's SPI of an IKE_SA_INIT message is zero");
    message[18] = 37;
    CHECK(parse(message));
}

TEST_CASE("an exchange without a name is let through") {
    Octets message = with_length(hex(kInit));
    message[18] = 43;
    const auto outer = parse(message);
    REQUIRE(outer);
    CHECK(outer->header.exchange == static_cast<ExchangeType>(43));
}

TEST_CASE("a chain's lengths stay inside it") {
    message_refused(framed(43, ""), "payload 1 (V) at octet 28: a length of 0 octets");
    message_refused(framed(43, "00 00 00"), "a length of 0 octets");
    for (const char* length : {"0000", "0001", "0002", "0003"}) {
        message_refused(framed(43, "00 00 " + std::string(length)), "does not fit");
    }
    CHECK(parse(framed(43, "00 00 0004")));
    message_refused(framed(43, "00 00 0005"), "a length of 5 octets does not fit");
    message_refused(framed(43, "00 00 ffff aabb"), "a length of 65535 octets does not fit");
    message_refused(framed(43, "2b 00 0005 aa"), "payload 2 (V) at octet 33");
    message_refused(framed(43, "00 00 0004 00"), "1 octet behind the last payload");
    message_refused(framed(43, "2b 00 0006 aabb 28 00 0004 00 00 0005 aa"),
                    "payload 3 (nonce) at octet 38: 16 to 256");
    message_refused(framed(0, "00"), "1 octet behind the last payload");
    CHECK(parse(framed(0, ""))->payloads.empty());
}

TEST_CASE("64 payloads are read, 65 are too many") {
    const auto many = [](int count) {
        std::string chain;
        for (int i = 1; i < count; ++i) {
            chain += "2b 00 0004 ";
        }
        return chain + "00 00 0004";
    };
    REQUIRE(parse(framed(43, many(64))));
    CHECK(parse(framed(43, many(64)))->payloads.size() == 64);
    message_refused(framed(43, many(65)), "more than 64 payloads");
}

TEST_CASE("an encrypted payload splits the message into what is authenticated and what is encrypted") {
    const Octets message = framed(46, "23 00 0008 01020304");
    const auto outer = parse(message);
    REQUIRE(outer);
    CHECK(outer->payloads.empty());
    REQUIRE(outer->encrypted);
    CHECK(outer->encrypted->first_inner == PayloadType::id_initiator);
    CHECK(outer->encrypted->fragment_number == 0);
    CHECK(outer->encrypted->total_fragments == 0);
    CHECK(outer->encrypted->associated_data.data() == message.data());
    CHECK(outer->encrypted->associated_data.size() == 32);
    CHECK(outer->encrypted->body.data() == message.data() + 32);
    CHECK(outer->encrypted->body.size() == 4);
}

TEST_CASE("payloads in the clear may stand before an encrypted one, never behind it") {
    const auto outer = parse(framed(41, "2e 00 0008 00 00 4000  00 00 0005 aa"));
    REQUIRE(outer);
    CHECK(outer->payloads.size() == 1);
    REQUIRE(outer->encrypted);
    CHECK(outer->encrypted->first_inner == PayloadType::none);
    CHECK(outer->encrypted->associated_data.size() == 28 + 8 + 4);
    message_refused(framed(46, "23 00 0005 aa  00 00 0004"), "payload 1 (SK) at octet 28: 4 octets behind it");
    message_refused(framed(53, "23 00 0009 00010001 aa  00"), "payload 1 (SKF) at octet 28: 1 octet behind it");
    message_refused(framed(46, "23 00 0006 aa"), "payload 1 (SK) at octet 28: a length of 6");
}

TEST_CASE("an encrypted payload stands in no other") {
    for (const PayloadType type : {PayloadType::encrypted, PayloadType::encrypted_fragment}) {
        refused(type, hex("00010001"), "stands inside an encrypted payload");
    }
}

TEST_CASE("a fragment says which one it is") {
    const Octets message = framed(53, "23 00 000b 0001 0002 aabbcc");
    const auto first = parse(message);
    REQUIRE(first);
    REQUIRE(first->encrypted);
    CHECK(first->encrypted->first_inner == PayloadType::id_initiator);
    CHECK(first->encrypted->fragment_number == 1);
    CHECK(first->encrypted->total_fragments == 2);
    CHECK(first->encrypted->associated_data.size() == 36);
    CHECK(first->encrypted->body.size() == 3);
    // Only the first says what comes inside.
    const auto second = parse(framed(53, "23 00 000b 0002 0002 aabbcc"));
    REQUIRE(second);
    CHECK(second->encrypted->first_inner == PayloadType::none);
    for (const char* numbers : {"0000 0000", "0000 0002", "0001 0000", "0003 0002"}) {
        message_refused(framed(53, "00 00 0008 " + std::string(numbers)), "it is fragment");
    }
    for (const char* cut : {"00 00 0004", "00 00 0005 00", "00 00 0006 0001", "00 00 0007 000100"}) {
        message_refused(framed(53, cut), "it is fragment");
    }
}

TEST_CASE("the prefix of an encrypted message is what parse() reads") {
    const Header header{.initiator_spi = {1},
                        .responder_spi = {2},
                        .exchange = ExchangeType::informational,
                        .from_initiator = true,
                        .is_response = true,
                        .message_id = {7}};
    for (const std::uint16_t fragment : {std::uint16_t{0}, std::uint16_t{1}, std::uint16_t{3}}) {
        const Octets body(21, 0xee);
        const std::uint16_t total = fragment == 0 ? 0 : 3;
        const PayloadType first = fragment > 1 ? PayloadType::none : PayloadType::del;
        const Octets prefix = emit_encrypted_prefix(header, first, fragment, total, body.size());
        const Octets message = joined({prefix, body});
        const auto outer = parse(message);
        REQUIRE(outer);
        CHECK(outer->header == header);
        REQUIRE(outer->encrypted);
        CHECK(std::ranges::equal(outer->encrypted->associated_data, prefix));
        CHECK(std::ranges::equal(outer->encrypted->body, body));
        CHECK(outer->encrypted->fragment_number == fragment);
        CHECK(outer->encrypted->total_fragments == total);
        CHECK(outer->encrypted->first_inner == first);
    }
}

TEST_CASE("no payloads are a chain too") {
    CHECK(emit_payloads({}).first == PayloadType::none);
    CHECK(emit_payloads({}).bytes.empty());
    const auto none = parse_payloads(PayloadType::none, {});
    REQUIRE(none);
    CHECK(none->empty());
    CHECK_FALSE(parse_payloads(PayloadType::none, hex("00")));
    CHECK_FALSE(parse_payloads(PayloadType::vendor_id, {}));
}

TEST_CASE("a Windows client's first message: one proposal for each suite") {
    // MM_WITH_AES256_SHA256_DH14 and the classic default before it, as the built-in VPN client offers them.
    const Octets message = with_length(hex(R"(
        a1b2c3d4e5f60718 0000000000000000 21 20 22 08 00000000 00000000
        22 00 005c
          02 00 0028 01 01 00 04
            03 00 0008 01 00 0003            # 3DES
            03 00 0008 03 00 0002            # HMAC-SHA1-96
            03 00 0008 02 00 0002            # PRF-HMAC-SHA1
            00 00 0008 04 00 0002            # modp1024
          00 00 0030 02 01 00 04
            03 00 000c 01 00 000c 800e 0100  # AES-CBC 256
            03 00 0008 03 00 000c
            03 00 0008 02 00 0005
            00 00 000c 04 00 000e 800e 0000  # a key length that a group has no use for
        28 00 000c 0002 0000 01020304
        2b 00 0034 0f1e2d3c4b5a69788796a5b4c3d2e1f0 0f1e2d3c4b5a69788796a5b4c3d2e1f0 0f1e2d3c4b5a69788796a5b4c3d2e1f0
        2b 00 0014 1e2b516905991c7d7c96fcbfb587e461  # MS NT5 ISAKMPOAKLEY
        29 00 0014 fb1de3cdf341b7ea16b7e5be0855f120  # MS-Negotiation Discovery Capable
        29 00 001c 01 00 4004 aabbccddaabbccddaabbccddaabbccddaabbccdd
        00 00 001c 01 00 4005 00112233001122330011223300112233aabbccdd
    )"));
    const auto outer = parse(message);
    REQUIRE_MESSAGE(outer, (outer ? "" : outer.error().sentence));
    CHECK(print(outer->header, outer->payloads) ==
          "IKE_SA_INIT request 0 [SA(IKE: 3des-sha1-prfsha1-modp1024, IKE: aes256-sha256-prfsha256-modp2048?) "
          "KEi(modp1024, 4 octets) Ni V V N(NAT_DETECTION_SOURCE_IP) N(NAT_DETECTION_DESTINATION_IP)]");
}

TEST_CASE("what a phone sends inside IKE_AUTH") {
    const Octets inner = hex(R"(
        29 00 0016 02 000000 70686f6e652e6578616d706c652e       # IDi: FQDN
        24 00 0008 00 00 4000                                   # INITIAL_CONTACT
        27 00 0016 02 000000 67772e6578616d706c652e636f6d       # IDr
        2f 00 0018 02 000000 00112233445566778899aabbccddeeff   # AUTH: shared key
        29 00 0014 01 000000 0001 0000 0008 0000 0003 0000      # CP: a request for addresses
        21 00 0008 00 00 400a                                   # ESP_TFC_PADDING_NOT_SUPPORTED
        2c 00 0024 00 00 0020 01 03 04 02 01020304
          03 00 000c 01 00 0014 800e 0100                       # AES-GCM 256
          00 00 0008 05 00 0000                                 # no ESN
        2d 00 0018 01 000000 07 00 0010 0000 ffff 00000000 ffffffff
        29 00 0018 01 000000 07 00 0010 0000 ffff 00000000 ffffffff
        00 00 0008 00 00 400c                                   # MOBIKE_SUPPORTED
    )");
    const auto payloads = parse_payloads(PayloadType::id_initiator, inner);
    REQUIRE_MESSAGE(payloads, (payloads ? "" : payloads.error().sentence));
    CHECK(
        print(Header{.exchange = ExchangeType::ike_auth, .message_id = {1}}, *payloads) ==
        "IKE_AUTH request 1 [IDi(phone.example.) N(INITIAL_CONTACT) IDr(gw.example.com) AUTH(shared key, 16 octets) "
        "CP(CFG_REQUEST: INTERNAL_IP4_ADDRESS, INTERNAL_IP6_ADDRESS, INTERNAL_IP4_DNS) "
        "N(ESP_TFC_PADDING_NOT_SUPPORTED) SA(ESP: aes256gcm16-noesn) TSi(0.0.0.0/0) TSr(0.0.0.0/0) "
        "N(MOBIKE_SUPPORTED)]");
    CHECK(emit_payloads(*payloads).bytes == inner);
}
