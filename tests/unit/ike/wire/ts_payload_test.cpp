#include "tests/unit/ike/wire/octets.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using namespace keysluice::ike::wire;

namespace {

TrafficSelector selector(std::string_view first, std::string_view last, std::uint8_t protocol = 0,
                         std::uint16_t first_port = 0, std::uint16_t last_port = 65535) {
    return {protocol, first_port, last_port, *IpAddress::parse(first), *IpAddress::parse(last)};
}

const char* const kTwo =
    "02 000000"
    "07 06 0010 01bb 01bb 0a010005 0a010005"
    "08 00 0028 0000 ffff 20010db8000000000000000000000000 20010db8ffffffffffffffffffffffff";

}  // namespace

TEST_CASE("TS: ranges of both families") {
    const std::vector<TrafficSelector> both{selector("10.1.0.5", "10.1.0.5", 6, 443, 443),
                                            selector("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff")};
    CHECK(parsed_alone<TsInitiatorPayload>(PayloadType::ts_initiator, hex(kTwo)).selectors == both);
    CHECK(parsed_alone<TsResponderPayload>(PayloadType::ts_responder, hex(kTwo)).selectors == both);
    CHECK(emitted_alone(TsInitiatorPayload{both}) == hex(kTwo));
    CHECK(emitted_alone(TsResponderPayload{both}) == hex(kTwo));
    CHECK(print(Payload(TsInitiatorPayload{both})) == "TSi(10.1.0.5/tcp/443, 2001:db8::/32)");
    CHECK(print(Payload(TsResponderPayload{both})) == "TSr(10.1.0.5/tcp/443, 2001:db8::/32)");
    // Reserved octets mean nothing.
    Octets reserved = hex(kTwo);
    reserved[1] = reserved[2] = reserved[3] = 0xff;
    CHECK(parsed_alone<TsInitiatorPayload>(PayloadType::ts_initiator, reserved).selectors == both);
}

TEST_CASE("TS: a type that is unknown is left out") {
    const auto payload = parsed_alone<TsInitiatorPayload>(
        PayloadType::ts_initiator,
        hex("03 000000 0a 00 0006 1234  07 00 0010 0000 ffff 00000000 ffffffff  09 00 0004"));
    REQUIRE(payload.selectors.size() == 1);
    CHECK(payload.selectors[0] == selector("0.0.0.0", "255.255.255.255"));
    CHECK(parsed_alone<TsInitiatorPayload>(PayloadType::ts_initiator, hex("01 000000 0a 00 0004")).selectors.empty());
}

TEST_CASE("TS: lengths and counts must agree") {
    const auto refuse = [](std::string_view body, std::string_view why) {
        refused(PayloadType::ts_initiator, hex(body), why);
        refused(PayloadType::ts_responder, hex(body), why);
    };
    refuse("", "1 to 64 selectors expected, got 0 in 0 octets");
    refuse("010000", "1 to 64 selectors");
    refuse("00 000000", "1 to 64 selectors expected, got 0");
    refuse("41 000000", "1 to 64 selectors expected, got 65");
    refuse("01 000000", "selector's length of 0 octets");
    refuse("01 000000 07 00 0003", "selector's length of 3 octets");
    refuse("01 000000 07 00 0010 0000 ffff 00000000 ffffff", "selector's length of 16 octets");
    refuse("01 000000 07 00 000f 0000 ffff 00000000 ffffff", "has 16 octets, got 15");
    refuse("01 000000 07 00 0011 0000 ffff 00000000 ffffffff 00", "has 16 octets, got 17");
    refuse("01 000000 08 00 0010 0000 ffff 00000000 ffffffff", "has 40 octets, got 16");
    refuse("02 000000 07 00 0010 0000 ffff 00000000 ffffffff", "selector's length of 0 octets");
    refuse("01 000000 07 00 0010 0000 ffff 00000000 ffffffff 00", "1 octet behind the last selector");
}

TEST_CASE("TS: a range that holds nothing is refused, and OPAQUE is not one") {
    const auto body = [](std::string_view ports, std::string_view addresses) {
        return joined({hex("01 000000 07 06 0010"), hex(ports), hex(addresses)});
    };
    refused(PayloadType::ts_initiator, body("0000 ffff", "0a000001 0a000000"), "from 10.0.0.1 port 0 to 10.0.0.0");
    refused(PayloadType::ts_initiator, body("0002 0001", "0a000000 0a000001"), "is empty");
    refused(PayloadType::ts_initiator, body("ffff 0001", "0a000000 0a000001"), "is empty");
    const auto opaque =
        parsed_alone<TsInitiatorPayload>(PayloadType::ts_initiator, body("ffff 0000", "0a000001 0a000001"));
    CHECK(opaque.selectors == std::vector{selector("10.0.0.1", "10.0.0.1", 6, 65535, 0)});
    CHECK(print(opaque.selectors[0]) == "10.0.0.1/tcp/opaque");
}

TEST_CASE("selectors are shown as they are written in the configuration") {
    CHECK(print(selector("10.1.0.0", "10.1.255.255")) == "10.1.0.0/16");
    CHECK(print(selector("0.0.0.0", "255.255.255.255")) == "0.0.0.0/0");
    CHECK(print(selector("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")) == "::/0");
    CHECK(print(selector("10.1.0.5", "10.1.0.9")) == "10.1.0.5-10.1.0.9");
    CHECK(print(selector("10.1.0.1", "10.1.0.2")) == "10.1.0.1-10.1.0.2");
    CHECK(print(selector("10.1.0.0", "10.1.0.254")) == "10.1.0.0-10.1.0.254");
    CHECK(print(selector("10.1.0.4", "10.1.0.5")) == "10.1.0.4/31");
    CHECK(print(selector("10.1.0.5", "10.1.0.5", 47)) == "10.1.0.5/32/47");
    CHECK(print(selector("10.1.0.5", "10.1.0.5", 17, 1024, 2047)) == "10.1.0.5/udp/1024-2047");
    CHECK(print(selector("10.1.0.5", "10.1.0.5", 1, 0x0800, 0x08ff)) == "10.1.0.5/icmp/8");
    CHECK(print(selector("10.1.0.5", "10.1.0.5", 1, 0x0301, 0x0301)) == "10.1.0.5/icmp/3/1");
    CHECK(print(selector("::1", "::1", 58, 0x8000, 0x81ff)) == "::1/icmpv6/128/0-129/255");
    CHECK(print(selector("10.1.0.5", "10.1.0.5", 0, 80, 80)) == "10.1.0.5/any/80");
}
