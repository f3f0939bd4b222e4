#include "dbus/json_lines.hpp"

#include <doctest/doctest.h>

#include "ike/traffic_selectors.hpp"

using namespace keysluice;
using namespace keysluice::bus;

TEST_SUITE("dbus: JSON lines") {
    TEST_CASE("one IKE SA, one line, whatever a name holds") {
        control::IkeSaView sa;
        sa.own = {0x1};
        sa.connection = "hq";
        sa.state = "established";
        sa.initiator = true;
        sa.local_id = "C=DE, CN=\"a\\b\"";
        sa.remote_id = "line\nfeed \xff";
        sa.local = {*IpAddress::parse("192.0.2.1"), 500};
        sa.remote = {*IpAddress::parse("2001:db8::7"), 4500};
        sa.suite = {.encryption = {ike::EncryptionId::aes_gcm_16, 128},
                    .integrity = ike::IntegrityId::none,
                    .prf = ike::PrfId::hmac_sha2_256,
                    .group = ike::GroupId::x25519};
        sa.initiator_spi = 1;
        sa.responder_spi = 0xabc;
        sa.age = 61;
        sa.given = {.addresses = {*IpAddress::parse("10.9.0.5")},
                    .dns = {*IpAddress::parse("10.1.0.53")},
                    .domains = {"corp.example"},
                    .subnets = {}};
        sa.interface = "ks-hq";
        control::ChildView& child = sa.children.emplace_back();
        child.name = "net";
        child.state = "installed";
        child.mode = "tunnel";
        child.suite = {.encryption = {ike::EncryptionId::aes_gcm_16, 128}};
        child.inbound = 0xc0000001;
        child.outbound = 2;
        child.local = {ike::parse_selector("10.1.0.0/16").value(), ike::parse_selector("10.3.0.0/16").value()};
        child.rekey_in = 7;
        child.offload.requested = ike::Offload::automatic;
        child.offload.reason = "the device can't";
        sa.children.push_back(child);
        sa.children.back().offload.in_force = ike::Offload::crypto;
        std::string lines = "before\n";
        append_json_line(lines, sa);
        const std::string first =
            R"({"spi_in":"c0000001","spi_out":"00000002","name":"net","state":"installed","mode":"tunnel",)"
            R"("suite":"aes128gcm16","local_ts":["10.1.0.0/16","10.3.0.0/16"],"remote_ts":[],"offload":)";
        const std::string rest =
            R"(,"offload_requested":"auto","offload_device":"","offload_reason":"the device can't","rekey_in":7})";
        CHECK(lines ==
              "before\n"
              R"({"spi_initiator":"0000000000000001","spi_responder":"0000000000000abc","connection":"hq",)"
              R"("state":"established","role":"initiator","local_id":"C=DE, CN=\"a\\b\"",)"
              "\"remote_id\":\"line\\u000afeed \xef\xbf\xbd\","
              R"("local":"192.0.2.1:500","remote":"[2001:db8::7]:4500","suite":"aes128gcm16-prfsha256-x25519",)"
              R"("age":61,"rekey_in":null,"virtual_addresses":["10.9.0.5"],"assigned_addresses":[],)"
              R"("dns":["10.1.0.53"],"domains":["corp.example"],"interface":"ks-hq","children":[)" +
                  first + R"("none")" + rest + "," + first + R"("crypto")" + rest + "]}\n");
    }
}
