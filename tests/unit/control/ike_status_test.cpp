#include "daemon/control/ike_status.hpp"

#include <doctest/doctest.h>

#include <string>

#include "daemon/control/status.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace std::chrono_literals;

namespace {

const Instant kNow{1000s};

/// An established IKE SA with one child, and with keys of a pattern that must not appear anywhere.
ike::Sa standing() {
    auto rules = std::make_shared<ike::Connection>();
    rules->name = "hq";
    rules->local_id = ike::parse_identity("gw1.example").value();
    ike::Sa sa;
    sa.state = ike::State::established;
    sa.initiator = true;
    sa.initiator_spi = {0x0102030405060708};
    sa.responder_spi = {0xf0f1f2f3f4f5f6f7};
    sa.connection = rules;
    sa.local = {*IpAddress::parse("192.0.2.1"), 500};
    sa.remote = {*IpAddress::parse("2001:db8::7"), 4500};
    sa.suite = {.encryption = {ike::EncryptionId::aes_gcm_16, 256},
                .integrity = ike::IntegrityId::none,
                .prf = ike::PrfId::hmac_sha2_384,
                .group = ike::GroupId::x25519};
    for (std::uint8_t& octet : sa.keys.d.writable(48)) {
        octet = 0x5a;
    }
    sa.peer_id = ike::parse_identity("gw2.example").value();
    sa.established_at = kNow - 61s;
    sa.rekey_at = kNow + 3599s;
    ike::ChildSa& child = sa.children.emplace_back();
    child.state = ike::ChildState::installed;
    child.spec.child = "net";
    child.spec.inbound = {0xc0000001};
    child.spec.outbound = {0x0000abcd};
    child.spec.suite = {
        .encryption = {ike::EncryptionId::aes_gcm_16, 128}, .integrity = {}, .group = {}, .esn = true};
    child.spec.local_selectors = {ike::parse_selector("10.1.0.0/16").value()};
    child.spec.remote_selectors = {ike::parse_selector("10.2.0.0/16").value(),
                                   ike::parse_selector("10.3.0.0/16/tcp/443").value()};
    for (std::uint8_t& octet : child.outbound_keys.emplace().encryption.writable(20)) {
        octet = 0x5a;
    }
    return sa;
}

IkeView view() {
    return {.running = true, .reason = {}, .null_kernel = false, .sas = {look_at(standing(), kNow)}};
}

constexpr std::string_view kTable =
    R"(IKE SA OF            STATE        ROLE       PEER
hq                   established  initiator  gw2.example at [2001:db8::7]:4500
    from 192.0.2.1:500, SPIs 0102030405060708 f0f1f2f3f4f5f6f7, aes256gcm16-prfsha384-x25519, age 61 s, rekeyed in 3599 s
    net installed tunnel: 10.1.0.0/16 to 10.2.0.0/16, 10.3.0.0/16/tcp/443, SPIs c0000001 in 0000abcd out, aes128gcm16-esn
)";

}  // namespace

TEST_SUITE_BEGIN("ike status");

TEST_CASE("an IKE SA and its child") {
    const IkeView ike = view();
    const std::string text = to_json({}, {}, {}, &ike);
    for (const char* part : {R"("connection": "hq")",
                             R"("state": "established")",
                             R"("role": "initiator")",
                             R"("local_id": "gw1.example")",
                             R"("remote_id": "gw2.example")",
                             R"("local": "192.0.2.1:500")",
                             R"("remote": "[2001:db8::7]:4500")",
                             R"("suite": "aes256gcm16-prfsha384-x25519")",
                             R"("spi_initiator": "0102030405060708")",
                             R"("spi_responder": "f0f1f2f3f4f5f6f7")",
                             R"("age": 61)",
                             R"("rekey_in": 3599)",
                             R"("name": "net")",
                             R"("spi_in": "c0000001")",
                             R"("spi_out": "0000abcd")",
                             R"("rekey_in": null)",
                             R"("offload": "none")",
                             R"("offload_requested": "off")",
                             R"("running": true)",
                             R"("null_kernel": false)"}) {
        INFO(part);
        CHECK(text.find(part) != std::string::npos);
    }
    CHECK(to_table(text).value() == kTable);
    CHECK(text.find("5a5a") == std::string::npos);
    CHECK(text.find("ZZ") == std::string::npos);
}

TEST_CASE("offload: what was asked for, what is in force, by which device and why it is less") {
    IkeView ike = view();
    OffloadState& offload = ike.sas[0].children[0].offload;
    offload.requested = ike::Offload::automatic;
    const auto table = [&] { return to_table(to_json({}, {}, {}, &ike)).value(); };
    CHECK(table() == std::string(kTable) + "      offload (\"auto\" asked for): none\n");
    offload.device = "eth7";
    offload.reason = "eth7 does not";
    CHECK(table() == std::string(kTable) + "      offload (\"auto\" asked for): none: eth7 does not\n");
    const std::string text = to_json({}, {}, {}, &ike);
    for (const char* part : {R"("offload": "none")", R"("offload_requested": "auto")", R"("offload_device": "eth7")",
                             R"("offload_reason": "eth7 does not")"}) {
        INFO(part);
        CHECK(text.find(part) != std::string::npos);
    }
    offload = {.requested = ike::Offload::packet, .in_force = ike::Offload::packet, .device = "eth7", .reason = {}};
    CHECK(table() == std::string(kTable) + "      offload (\"packet\" asked for): packet by eth7\n");
}

TEST_CASE("a negotiation shows nothing that is not known yet") {
    ike::Sa sa = standing();
    sa.state = ike::State::init_sent;
    sa.established_at = {};
    sa.children.clear();
    const IkeSaView seen = look_at(sa, kNow);
    CHECK(seen.state == "init-sent");
    CHECK(!seen.suite);
    CHECK(seen.remote_id.empty());
    CHECK_FALSE(seen.age);
    CHECK_FALSE(seen.rekey_in);
    sa.state = ike::State::verifying;
    CHECK(look_at(sa, kNow).state == "verifying");
    CHECK(look_at(sa, kNow).remote_id.empty());
}

TEST_CASE("moments that are over are now") {
    ike::Sa sa = standing();
    sa.rekey_at = kNow - 5s;
    CHECK(look_at(sa, kNow).rekey_in == 0);
}

TEST_CASE("why there is none") {
    IkeView refused;
    refused.reason = "this kernel offers no ESP";
    CHECK(to_table(to_json({}, {}, {}, &refused)).value() == "IKE does not run: this kernel offers no ESP\n");
}

TEST_CASE("what the kernel can do for ESP, and which children go without") {
    IkeView ike = view();
    ike.kernel = xfrm::Capabilities{.esp_ipv4 = true,
                                    .esp_ipv6 = false,
                                    .esn = true,
                                    .udp_encapsulation_ipv4 = true,
                                    .udp_encapsulation_ipv6 = false,
                                    .algorithms = {xfrm::algorithms::kAesGcm, xfrm::algorithms::kAesCbc},
                                    .missing = {{{"kernel-lacks", "this kernel offers no ESP for IPv6"}, {}}}};
    ike.refused.push_back({.connection = "branch",
                           .child = "lan",
                           .why = {"kernel-lacks", "none of its ESP proposals is left: no CCM"}});
    const std::string text = to_json({}, {}, {}, &ike);
    for (const char* part :
         {R"("esp_ipv4": true)", R"("esp_ipv6": false)", R"("esn": true)", R"("udp_encapsulation_ipv6": false)",
          "\"rfc4106(gcm(aes))\"", R"("connection": "branch")", R"("reason": "kernel-lacks")"}) {
        INFO(part);
        CHECK(text.find(part) != std::string::npos);
    }
    CHECK(
        to_table(text).value() ==
        std::string(kTable) +
            "branch refused: child lan: none of its ESP proposals is left: no CCM\n"
            "The kernel's ESP: IPv4 yes, IPv6 no, in UDP over IPv4 yes, over IPv6 no, extended sequence numbers yes\n"
            "    with rfc4106(gcm(aes)), cbc(aes)\n"
            "    missing: this kernel offers no ESP for IPv6\n");
}

TEST_CASE("nothing is pretended") {
    IkeView null = view();
    null.null_kernel = true;
    const std::string table = to_table(to_json({}, {}, {}, &null)).value();
    CHECK(table.starts_with("--null-kernel: nothing is installed in the kernel, no packet is protected\n"));
}

TEST_CASE("TLS services beside it have their table first") {
    ServicesView both;
    both.services.push_back({.name = "shop"});
    const IkeView ike = view();
    const std::string table = to_table(to_json(both, {}, {}, &ike)).value();
    CHECK(table.starts_with("SERVICE "));
    CHECK(table.find("shop ") != std::string::npos);
    CHECK(table.ends_with(kTable));
    // Without IKE in the configuration, the document doesn't know the word.
    CHECK(to_json({}, {}, {}).find("\"ike\"") == std::string::npos);
}

TEST_SUITE_END();
