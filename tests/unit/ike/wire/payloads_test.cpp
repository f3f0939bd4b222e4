// The payloads of a fixed shape; SA and TS, which have lists, have their own tests.
#include "ike/wire/payloads.hpp"

#include "tests/unit/ike/wire/octets.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using namespace keysluice::ike::wire;

namespace {

Octets text(std::string_view words) {
    return {words.begin(), words.end()};
}

/// Reads `body` as `payload` and emits it again the same.
template <typename P>
void both_ways(PayloadType type, const Octets& body, const P& payload, std::string_view printed) {
    CHECK(parsed_alone<P>(type, body) == payload);
    CHECK(emitted_alone(payload) == body);
    CHECK(print(Payload(payload)) == printed);
}

}  // namespace

TEST_CASE("KE") {
    both_ways(PayloadType::ke, hex("001f 0000 0102030405"), KePayload{31, {1, 2, 3, 4, 5}}, "KE(x25519, 5 octets)");
    both_ways(PayloadType::ke, hex("0012 0000 ff"), KePayload{18, {0xff}}, "KE(key exchange 18, 1 octet)");
    // Reserved octets mean nothing.
    CHECK(parsed_alone<KePayload>(PayloadType::ke, hex("0013 abcd ff")) == KePayload{19, {0xff}});
    for (const char* body : {"", "00", "001f", "001f00", "001f0000"}) {
        refused(PayloadType::ke, hex(body), "a group and a public value");
    }
}

TEST_CASE("ID: each type") {
    using enum IdType;
    both_ways(PayloadType::id_initiator, hex("01 000000 c0000201"), IdInitiatorPayload{{ipv4, {192, 0, 2, 1}}},
              "IDi(192.0.2.1)");
    both_ways(PayloadType::id_responder, hex("05 000000 20010db8000000000000000000000001"),
              IdResponderPayload{{ipv6, hex("20010db8000000000000000000000001")}}, "IDr(2001:db8::1)");
    both_ways(PayloadType::id_responder, joined({hex("02 000000"), text("gw.example.com")}),
              IdResponderPayload{{fqdn, text("gw.example.com")}}, "IDr(gw.example.com)");
    both_ways(PayloadType::id_initiator, joined({hex("03 000000"), text("jo@example.com")}),
              IdInitiatorPayload{{email, text("jo@example.com")}}, "IDi(jo@example.com)");
    both_ways(PayloadType::id_initiator, hex("0b 000000 00ff41"), IdInitiatorPayload{{key_id, {0, 0xff, 0x41}}},
              "IDi(key id \\x00\\xffA)");
    both_ways(PayloadType::id_initiator, hex("0d 000000"), IdInitiatorPayload{{null, {}}}, "IDi(null)");
    both_ways(PayloadType::id_initiator, hex("63 000000 41"), IdInitiatorPayload{{static_cast<IdType>(99), {0x41}}},
              "IDi(identity of type 99 A)");
    // Reserved octets mean nothing.
    CHECK(parsed_alone<IdInitiatorPayload>(PayloadType::id_initiator, hex("02 ffffff 41")).identity ==
          Identity{fqdn, {0x41}});
}

TEST_CASE("ID: a name is shown as one, or as its octets") {
    // CN=gw
    const Octets name = hex("300d 310b 3009 0603 550403 0c02 6777");
    CHECK(print(Identity{IdType::dn, name}) == "CN=gw");
    CHECK(print(Identity{IdType::dn, joined({name, {0}})}).starts_with("DN 0\\x0d1"));
    CHECK(print(Identity{IdType::dn, {}}) == "DN ");
    CHECK(print(Identity{IdType::dn, {0x30, 0x82}}) == "DN 0\\x82");
    // A control character in it can't reach a terminal.
    CHECK(print(Identity{IdType::dn, hex("300d 310b 3009 0603 550403 0c02 1b5b")}).find('\x1b') == std::string::npos);
}

TEST_CASE("ID: what a peer calls itself can't forge a log") {
    const Identity forged{IdType::fqdn, text("gw\nOK \x1b[2J\\n\xc3\xa4")};
    CHECK(print(forged) == "gw\\x0aOK \\x1b[2J\\\\n\\xc3\\xa4");
    CHECK(print(Identity{IdType::fqdn, Octets(5000, 'a')}) == std::string(128, 'a') + "… (5000 octets)");
}

TEST_CASE("ID: addresses have their size") {
    for (const std::size_t size : {0U, 3U, 5U, 16U}) {
        refused(PayloadType::id_initiator, joined({hex("01000000"), Octets(size)}),
                "an address of 4 octets expected");
    }
    for (const std::size_t size : {0U, 4U, 15U, 17U}) {
        refused(PayloadType::id_responder, joined({hex("05000000"), Octets(size)}),
                "an address of 16 octets expected");
    }
    for (const std::size_t size : {0U, 1U, 3U}) {
        refused(PayloadType::id_responder, Octets(size), "a type and 3 reserved octets");
    }
    CHECK(print(Identity{IdType::ipv4, {1, 2}}) == "0102");
}

TEST_CASE("CERT and CERTREQ") {
    both_ways(PayloadType::certificate, hex("04 3082"), CertificatePayload{4, {0x30, 0x82}}, "CERT(X.509, 2 octets)");
    both_ways(PayloadType::certificate, hex("0c"), CertificatePayload{12, {}}, "CERT(encoding 12, 0 octets)");
    both_ways(PayloadType::certificate_request, joined({{4}, Octets(40, 7)}),
              CertificateRequestPayload{4, Octets(40, 7)}, "CERTREQ(2 authorities)");
    both_ways(PayloadType::certificate_request, hex("04"), CertificateRequestPayload{4, {}},
              "CERTREQ(0 authorities)");
    both_ways(PayloadType::certificate_request, hex("0c 41"), CertificateRequestPayload{12, {0x41}},
              "CERTREQ(encoding 12)");
    refused(PayloadType::certificate, {}, "encoding expected");
    refused(PayloadType::certificate_request, {}, "encoding expected");
    refused(PayloadType::certificate_request, joined({{4}, Octets(39)}), "hashes of 20 octets expected, got 39");
}

TEST_CASE("AUTH shows how, never what") {
    both_ways(PayloadType::auth, hex("02 000000 aabb"), AuthPayload{AuthMethod::shared_key, {0xaa, 0xbb}},
              "AUTH(shared key, 2 octets)");
    both_ways(PayloadType::auth, hex("0e 000000"), AuthPayload{AuthMethod::digital_signature, {}},
              "AUTH(signature, 0 octets)");
    CHECK(parsed_alone<AuthPayload>(PayloadType::auth, hex("01 ffffff 00")) == AuthPayload{AuthMethod::rsa, {0}});
    CHECK(print(Payload(AuthPayload{static_cast<AuthMethod>(77), {1}})) == "AUTH(method 77, 1 octet)");
    refused(PayloadType::auth, hex("020000"), "a method and 3 reserved octets");
}

TEST_CASE("a nonce has 16 to 256 octets") {
    for (const std::size_t size : {16U, 32U, 256U}) {
        both_ways(PayloadType::nonce, Octets(size, 0x5a), NoncePayload{Octets(size, 0x5a)}, "nonce");
    }
    for (const std::size_t size : {0U, 15U, 257U, 5000U}) {
        refused(PayloadType::nonce, Octets(size), "16 to 256 octets of nonce");
    }
}

TEST_CASE("N") {
    both_ways(PayloadType::notify, hex("00 00 4006 c0ffee"),
              NotifyPayload{NotifyType::cookie, Protocol::none, {}, {0xc0, 0xff, 0xee}}, "N(COOKIE)");
    both_ways(PayloadType::notify, hex("03 04 4009 01020304"),
              NotifyPayload{NotifyType::rekey_sa, Protocol::esp, {1, 2, 3, 4}, {}}, "N(REKEY_SA ESP 01020304)");
    both_ways(PayloadType::notify, hex("00 00 000e"), NotifyPayload{NotifyType::no_proposal_chosen, {}, {}, {}},
              "N(NO_PROPOSAL_CHOSEN)");
    both_ways(PayloadType::notify, hex("00 00 9c40"), NotifyPayload{static_cast<NotifyType>(40000), {}, {}, {}},
              "N(status 40000)");
    CHECK(name_of(static_cast<NotifyType>(16383)) == "error 16383");
    CHECK(name_of(static_cast<NotifyType>(16384)) == "INITIAL_CONTACT");
    CHECK(name_of(NotifyType::esp_tfc_padding_not_supported) == "ESP_TFC_PADDING_NOT_SUPPORTED");
    // Without an SPI the protocol is ignored, and sent as zero.
    CHECK(parsed_alone<NotifyPayload>(PayloadType::notify, hex("01 00 4004")).protocol == Protocol::none);
    CHECK(emitted_alone(NotifyPayload{NotifyType::initial_contact, Protocol::esp, {}, {}}) == hex("00 00 4000"));
    for (const char* body : {"", "0000", "000040", "03 04 4009 010203", "03 ff 4009"}) {
        refused(PayloadType::notify, hex(body), "a notification with an SPI");
    }
}

TEST_CASE("D") {
    both_ways(PayloadType::del, hex("01 00 0000"), DeletePayload{Protocol::ike, {}}, "D(IKE)");
    both_ways(PayloadType::del, hex("03 04 0002 c0000001 00000102"),
              DeletePayload{Protocol::esp, {EspSpi{0xc0000001}, EspSpi{0x102}}}, "D(ESP c0000001, 00000102)");
    both_ways(PayloadType::del, hex("02 04 0000"), DeletePayload{Protocol::ah, {}}, "D(AH)");
    refused(PayloadType::del, hex("01 00 00"), "at least 4 octets");
    refused(PayloadType::del, hex("00 00 0000"), "IKE, AH or ESP expected");
    refused(PayloadType::del, hex("04 04 0000"), "IKE, AH or ESP expected");
    refused(PayloadType::del, hex("01 08 0001 0102030405060708"), "SPIs of 0 octets expected for IKE");
    refused(PayloadType::del, hex("01 00 0001"), "1 SPIs of 0 octets");
    refused(PayloadType::del, hex("03 08 0001 0102030405060708"), "SPIs of 4 octets expected for ESP");
    refused(PayloadType::del, hex("03 04 0002 01020304"), "do not make 4 octets");
    refused(PayloadType::del, hex("03 04 0001 0102030405"), "do not make 5 octets");
}

TEST_CASE("D: 1024 SPIs are read, 1025 are too many") {
    const auto many = [](std::size_t count) { return joined({{3, 4}, big_endian(count, 2), Octets(4 * count, 1)}); };
    const auto payload = parsed_alone<DeletePayload>(PayloadType::del, many(1024));
    CHECK(payload.spis.size() == 1024);
    CHECK(print(Payload(payload)).ends_with("01010101 and 1016 more)"));
    refused(PayloadType::del, many(1025), "1025 SPIs");
}

TEST_CASE("CP") {
    using Type = ConfigurationType;
    using Attribute = ConfigurationAttributeType;
    both_ways(PayloadType::configuration, hex("01 000000"), ConfigurationPayload{Type::request, {}},
              "CP(CFG_REQUEST: )");
    both_ways(PayloadType::configuration, hex("02 000000 0001 0004 0a090005 0019 0004 636f7270 0fff 0001 07"),
              ConfigurationPayload{Type::reply,
                                   {{Attribute::internal_ip4_address, {10, 9, 0, 5}},
                                    {Attribute::internal_dns_domain, {'c', 'o', 'r', 'p'}},
                                    {static_cast<Attribute>(0x0fff), {7}}}},
              "CP(CFG_REPLY: INTERNAL_IP4_ADDRESS of 4 octets, INTERNAL_DNS_DOMAIN corp, attribute 4095 of 1 octet)");
    const auto reserved = parsed_alone<ConfigurationPayload>(PayloadType::configuration, hex("01 ffffff 8001 0000"));
    CHECK(reserved == ConfigurationPayload{Type::request, {{Attribute::internal_ip4_address, {}}}});
    refused(PayloadType::configuration, hex("01 0000"), "at least 4 octets");
    refused(PayloadType::configuration, hex("01 000000 0001"), "length of attribute 1");
    refused(PayloadType::configuration, hex("01 000000 0001 0000 0003 0005 01020304"), "length of attribute 2");
    const auto many = [](std::size_t count) { return joined({{1, 0, 0, 0}, Octets(4 * count, 0)}); };
    CHECK(parsed_alone<ConfigurationPayload>(PayloadType::configuration, many(kMostPayloads)).attributes.size() ==
          kMostPayloads);
    refused(PayloadType::configuration, many(kMostPayloads + 1), "more than");
}

TEST_CASE("EAP") {
    both_ways(PayloadType::eap, hex("0201000501"), EapPayload{{2, 1, 0, 5, 1}}, "EAP(5 octets)");
    both_ways(PayloadType::eap, {}, EapPayload{}, "EAP(0 octets)");
}

TEST_CASE("V, and payloads that nobody knows") {
    both_ways(PayloadType::vendor_id, hex("aabb"), VendorIdPayload{{0xaa, 0xbb}}, "V");
    both_ways(PayloadType::vendor_id, {}, VendorIdPayload{}, "V");
    both_ways(static_cast<PayloadType>(49), {}, UnknownPayload{static_cast<PayloadType>(49), false, {}},
              "payload 49(0 octets)");
}

TEST_CASE("the critical bit counts for unknown payloads only") {
    const auto unknown = parse_alone(static_cast<PayloadType>(49), hex("01"), 0x80);
    REQUIRE(unknown);
    const UnknownPayload expected{static_cast<PayloadType>(49), true, {1}};
    CHECK(std::get<UnknownPayload>(unknown->front()) == expected);
    CHECK(print(unknown->front()) == "payload 49(critical, 1 octet)");
    CHECK(emit_payloads(*unknown).bytes == hex("00 80 0005 01"));
    // The other bits of that octet are reserved.
    CHECK_FALSE(
        std::get<UnknownPayload>(parse_alone(static_cast<PayloadType>(49), hex("01"), 0x7f)->front()).critical);
    const auto known = parse_alone(PayloadType::vendor_id, hex("01"), 0xff);
    REQUIRE(known);
    CHECK(emit_payloads(*known).bytes == hex("00 00 0005 01"));
}
