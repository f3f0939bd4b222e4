#include "daemon/control/translate.hpp"

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <set>
#include <string>

#include "daemon/control/translation.hpp"
#include "tests/support/translated.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::control::testing;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("translate");

TEST_CASE("algorithms: an AEAD's key has its salt, and goes on as it is") {
    struct Case {
        ike::EncryptionId id;
        std::uint16_t bits;
        std::size_t size;
        std::string_view name;
    };
    using Id = ike::EncryptionId;
    for (const Case& each :
         {Case{Id::aes_gcm_16, 128, 20, "rfc4106(gcm(aes))"}, Case{Id::aes_gcm_16, 256, 36, "rfc4106(gcm(aes))"},
          Case{Id::aes_ccm_16, 128, 19, "rfc4309(ccm(aes))"},
          Case{Id::chacha20_poly1305, 0, 36, "rfc7539esp(chacha20,poly1305)"}}) {
        const ike::EspSuite suite{.encryption = {each.id, each.bits}, .integrity = {}, .group = {}, .esn = false};
        CHECK(ike::encryption_key_size(suite.encryption) == each.size);
        const auto made = kernel_algorithms(suite, keys(0x11, each.size));
        const auto& aead = std::get<xfrm::Aead>(made);
        CHECK(aead.name == each.name);
        CHECK(aead.key.size() == each.size);
        CHECK(aead.icv_bits == 128);
    }
}

TEST_CASE("algorithms: cipher and authentication") {
    struct Case {
        ike::EncryptionId cipher;
        ike::IntegrityId integrity;
        std::string_view cipher_name;
        std::string_view hash_name;
        std::uint16_t trunc_bits;
    };
    using E = ike::EncryptionId;
    using I = ike::IntegrityId;
    for (const Case& each : {Case{E::aes_cbc, I::hmac_sha2_256_128, "cbc(aes)", "hmac(sha256)", 128},
                             Case{E::aes_cbc, I::hmac_sha2_384_192, "cbc(aes)", "hmac(sha384)", 192},
                             Case{E::aes_ctr, I::hmac_sha2_512_256, "rfc3686(ctr(aes))", "hmac(sha512)", 256},
                             Case{E::des3, I::hmac_sha1_96, "cbc(des3_ede)", "hmac(sha1)", 96},
                             Case{E::des3, I::hmac_md5_96, "cbc(des3_ede)", "hmac(md5)", 96},
                             Case{E::null, I::aes_xcbc_96, "ecb(cipher_null)", "xcbc(aes)", 96}}) {
        const ike::EspSuite suite{
            .encryption = {each.cipher, 0}, .integrity = each.integrity, .group = {}, .esn = false};
        const auto made = kernel_algorithms(suite, keys(0x22, 16, 32));
        const auto& classic = std::get<xfrm::Classic>(made);
        CHECK(classic.cipher.name == each.cipher_name);
        CHECK(classic.cipher.key.size() == 16);
        CHECK(classic.auth.name == each.hash_name);
        CHECK(classic.auth.key.size() == 32);
        CHECK(classic.auth.trunc_bits == each.trunc_bits);
    }
}

TEST_CASE("a CHILD SA that an earlier process installed keeps its number, also for its successors") {
    Translator translator;
    xfrm::SaState inbound;
    inbound.reqid = {0x4b000005};
    const xfrm::SaState outbound = inbound;
    REQUIRE(translator.adopt(spec(1001, 2001), inbound, &outbound));
    CHECK(translator.has({1001}));
    const auto made = translator.install(whole(spec(1002, 2002)));
    REQUIRE(made);
    REQUIRE(made->additions().size() == 2);  // its policies are there
    CHECK(std::get<xfrm::Sa>(made->additions()[0]).reqid == inbound.reqid);
}

TEST_CASE("a tunnel") {
    Translator translator;
    const auto made = translator.install(whole(spec(1001, 2001)));
    REQUIRE(made);
    // SAs before the policies that lead into them.
    REQUIRE(made->additions().size() == 5);
    CHECK(made->removals().empty());
    const auto& in = std::get<xfrm::Sa>(made->additions()[0]);
    CHECK(in.direction == xfrm::Direction::in);
    CHECK(in.source == *IpAddress::parse("198.51.100.7"));
    CHECK(in.destination == *IpAddress::parse("192.0.2.1"));
    CHECK(in.spi == xfrm::Spi{1001});
    CHECK(in.mode == xfrm::Mode::tunnel);
    CHECK(std::get<xfrm::Aead>(in.algorithms).key.expose()[0] == 0xaa);
    CHECK(in.replay_window > 0);
    CHECK_FALSE(in.esn);
    CHECK_FALSE(in.encapsulation);
    CHECK_FALSE(in.selector);
    CHECK(in.hard.seconds == 3 * 3600);
    CHECK(is_ours(in.reqid));
    const auto& out = std::get<xfrm::Sa>(made->additions()[1]);
    CHECK(out.direction == xfrm::Direction::out);
    CHECK(out.source == *IpAddress::parse("192.0.2.1"));
    CHECK(out.destination == *IpAddress::parse("198.51.100.7"));
    CHECK(out.spi == xfrm::Spi{2001});
    CHECK(std::get<xfrm::Aead>(out.algorithms).key.expose()[0] == 0xbb);
    CHECK(out.reqid == in.reqid);

    using xfrm::Direction;
    const std::array order{Direction::in, Direction::fwd, Direction::out};
    for (std::size_t i = 0; i < order.size(); ++i) {
        const auto& policy = std::get<xfrm::Policy>(made->additions()[2 + i]);
        const bool leaving = order.at(i) == Direction::out;
        CHECK(policy.direction == order.at(i));
        CHECK(policy.selector.source == Prefix::parse(leaving ? "10.1.0.0/16" : "10.2.0.0/16"));
        CHECK(policy.selector.destination == Prefix::parse(leaving ? "10.2.0.0/16" : "10.1.0.0/16"));
        CHECK(policy.priority == xfrm::priority_of(policy.selector, xfrm::Purpose::installed));
        REQUIRE(policy.templates.size() == 1);
        CHECK(policy.templates[0] == xfrm::Template{.source = leaving ? out.source : in.source,
                                                    .destination = leaving ? out.destination : in.destination,
                                                    .mode = xfrm::Mode::tunnel,
                                                    .reqid = in.reqid});
    }
}

TEST_CASE("transport mode has no outer addresses in its policies, and nothing to forward") {
    ike::ChildSaSpec wanted = spec(1001, 2001);
    wanted.mode = ike::Mode::transport;
    wanted.local_selectors = {ike::selector_of(wanted.local)};
    wanted.remote_selectors = {ike::selector_of(wanted.remote)};
    Translator translator;
    Tables tables;
    tables.carry_out(translator.install(whole(wanted)));
    CHECK(tables.policies.size() == 2);
    for (const auto& [id, policy] : tables.policies) {
        CHECK(id.direction != xfrm::Direction::fwd);
        CHECK(policy.templates.at(0).mode == xfrm::Mode::transport);
        CHECK(policy.templates.at(0).source.unspecified());
        CHECK(policy.templates.at(0).destination.unspecified());
    }
}

TEST_CASE("ESN and ESP in UDP") {
    ike::ChildSaSpec wanted = spec(1001, 2001);
    wanted.suite.esn = true;
    wanted.udp_ports = {4500, 61000};
    Translator translator;
    const auto made = translator.install(whole(wanted));
    REQUIRE(made);
    const auto& in = std::get<xfrm::Sa>(made->additions()[0]);
    const auto& out = std::get<xfrm::Sa>(made->additions()[1]);
    CHECK(in.esn);
    CHECK(out.esn);
    CHECK(in.encapsulation == xfrm::UdpEncapsulation{.source_port = 61000, .destination_port = 4500});
    CHECK(out.encapsulation == xfrm::UdpEncapsulation{.source_port = 4500, .destination_port = 61000});
}

TEST_CASE("IPv6 through a tunnel over IPv4") {
    ike::ChildSaSpec wanted = spec(1001, 2001);
    wanted.local_selectors = {ike::parse_selector("fd01::/16").value()};
    wanted.remote_selectors = {ike::parse_selector("fd02::/16").value()};
    Translator translator;
    const auto made = translator.install(whole(wanted));
    REQUIRE(made);
    CHECK(std::get<xfrm::Sa>(made->additions()[0]).source.family() == Family::ipv4);
    const auto& policy = std::get<xfrm::Policy>(made->additions()[2]);
    CHECK(policy.selector.source == Prefix::parse("fd02::/16"));
    CHECK(policy.templates.at(0).source.family() == Family::ipv4);
}

TEST_CASE("limits") {
    CHECK(hard_limit({.time = 1h, .bytes = 0, .packets = 0}) == xfrm::Limits{0, 0, 3 * 3600});
    CHECK(hard_limit({.time = 1500ms, .bytes = 1000, .packets = 7}) == xfrm::Limits{2000, 14, 3603});
    Translator translator;
    ike::ChildSaSpec limited = spec(1001, 2001);
    limited.lifetime = {.time = 2h, .bytes = 5'000'000, .packets = 3000};
    const auto made = translator.install(whole(limited));
    REQUIRE(made);
    for (const std::size_t half : {0U, 1U}) {
        const auto& sa = std::get<xfrm::Sa>(made->additions().at(half));
        CHECK(sa.soft == xfrm::Limits{5'000'000, 3000, 0});
        CHECK(sa.hard == xfrm::Limits{10'000'000, 6000, 5 * 3600});
    }
}

TEST_CASE("what is removed is gone, once") {
    Translator translator;
    Tables tables;
    tables.carry_out(translator.install(whole(spec(1001, 2001))));
    CHECK(tables.spis() == "1001 2001");
    tables.carry_out(translator.remove(ike::RemoveChild{spec(1001, 2001)}));
    CHECK(tables.empty());
    CHECK(is_empty(translator.remove(ike::RemoveChild{spec(1001, 2001)})));
    CHECK(is_empty(translator.remove(ike::RemoveOutbound{spec(1001, 2001)})));
}

TEST_CASE("a rekeying that we began: the policies stay as they are") {
    Translator translator;
    Tables tables;
    tables.carry_out(translator.install(whole(spec(1001, 2001))));
    const auto before = tables.policies;
    const auto made = translator.install(whole(spec(1002, 2002), 2001));
    REQUIRE(made);
    CHECK(made->additions().size() ==
          3);                         // the policy is put anew, as it was, so that the kernel looks for SAs again
    CHECK(made->removals().empty());  // packets may be on their way through the kernel with the old SA
    tables.carry_out(made);
    CHECK(tables.spis() == "1001 1002 2001 2002");
    CHECK(tables.policies == before);
    tables.carry_out(translator.remove(ike::RemoveChild{spec(1001, 2001)}));
    CHECK(tables.spis() == "1002 2002");
    CHECK(tables.policies == before);
    tables.carry_out(translator.remove(ike::RemoveChild{spec(1002, 2002)}));
    CHECK(tables.empty());
}

TEST_CASE("a rekeying that the peer began: the outbound half comes later") {
    Translator translator;
    Tables tables;
    tables.carry_out(translator.install(whole(spec(1001, 2001))));
    const auto before = tables.policies;
    tables.carry_out(translator.install(inbound_only(spec(1002, 2002))));
    CHECK(tables.spis() == "1001 1002 2001");
    CHECK(tables.policies == before);
    tables.carry_out(translator.install(
        ike::InstallOutbound{.spec = spec(1002, 2002), .outbound = keys(1), .replaces_outbound = ike::EspSpi{2001}}));
    CHECK(tables.spis() == "1001 1002 2001 2002");
    CHECK(tables.policies == before);
    tables.carry_out(translator.remove(ike::RemoveOutbound{spec(1001, 2001)}));
    tables.carry_out(translator.remove(ike::RemoveChild{spec(1001, 2001)}));
    CHECK(tables.spis() == "1002 2002");
    CHECK(tables.policies == before);
    // Both SAs are found by the policies.
    for (const auto& [id, reqid] : tables.sas) {
        CHECK(reqid == tables.out());
    }
}

TEST_CASE("an inbound half alone sends nobody's packets into nothing") {
    Translator translator;
    Tables tables;
    tables.carry_out(translator.install(inbound_only(spec(1001, 2001))));
    CHECK(tables.out() == xfrm::ReqId{});
    CHECK(tables.policies.size() == 2);
    CHECK(translator.install(ike::InstallOutbound{.spec = spec(7, 8), .outbound = keys(1), .replaces_outbound = {}})
              .error()
              .reason == "child-unknown");
    tables.carry_out(translator.install(
        ike::InstallOutbound{.spec = spec(1001, 2001), .outbound = keys(1), .replaces_outbound = {}}));
    CHECK(tables.policies.size() == 3);
    CHECK(translator
              .install(ike::InstallOutbound{.spec = spec(1001, 2001), .outbound = keys(1), .replaces_outbound = {}})
              .error()
              .reason == "child-unknown");
}

TEST_CASE("a rekeying with narrower selectors has policies of its own") {
    Translator translator;
    Tables tables;
    tables.carry_out(translator.install(whole(spec(1001, 2001))));
    const xfrm::ReqId wide = tables.out();
    ike::ChildSaSpec narrow = spec(1002, 2002);
    narrow.local_selectors = {ike::parse_selector("10.1.7.0/24").value()};
    tables.carry_out(translator.install(whole(narrow, 2001)));
    // The wide policy went with the SA that it led into.
    CHECK(tables.out() != wide);
    tables.carry_out(translator.remove(ike::RemoveChild{spec(1001, 2001)}));
    CHECK(tables.policies.size() == 3);
    tables.carry_out(translator.remove(ike::RemoveChild{narrow}));
    CHECK(tables.empty());
}

TEST_CASE("both ends began at once: two CHILD SAs, one set of policies") {
    Translator translator;
    Tables tables;
    ike::ChildSaSpec second = spec(1002, 2002);
    second.reqid = {2};  // IKE knows them as two
    tables.carry_out(translator.install(whole(spec(1001, 2001))));
    tables.carry_out(translator.install(whole(second)));
    CHECK(tables.policies.size() == 3);
    for (const auto& [id, reqid] : tables.sas) {
        CHECK(reqid == tables.out());
    }
    tables.carry_out(translator.remove(ike::RemoveChild{spec(1001, 2001)}));
    CHECK(tables.policies.size() == 3);
    tables.carry_out(translator.remove(ike::RemoveChild{second}));
    CHECK(tables.empty());
}

TEST_CASE("peers that want the same traffic: the latest gets it, and the one before it takes over again") {
    Translator translator;
    Tables tables;
    ike::ChildSaSpec other = spec(1002, 2002);
    other.remote = *IpAddress::parse("198.51.100.8");
    tables.carry_out(translator.install(whole(spec(1001, 2001))));
    const xfrm::ReqId first = tables.out();
    tables.carry_out(translator.install(whole(other)));
    CHECK(tables.policies.size() == 3);
    CHECK(tables.out() != first);
    SUBCASE("the latest goes") {
        tables.carry_out(translator.remove(ike::RemoveChild{other}));
        CHECK(tables.out() == first);
        CHECK(tables.policies.size() == 3);
        tables.carry_out(translator.remove(ike::RemoveChild{spec(1001, 2001)}));
    }
    SUBCASE("the first goes") {
        const xfrm::ReqId second = tables.out();
        tables.carry_out(translator.remove(ike::RemoveChild{spec(1001, 2001)}));
        CHECK(tables.out() == second);
        tables.carry_out(translator.remove(ike::RemoveChild{other}));
    }
    CHECK(tables.empty());
}

TEST_CASE("two peers behind one NAT have numbers of their own") {
    Translator translator;
    ike::ChildSaSpec one = spec(1001, 2001);
    one.udp_ports = {4500, 40001};
    ike::ChildSaSpec two = spec(1002, 2002);
    two.udp_ports = {4500, 40002};
    const auto first = translator.install(whole(one));
    const auto second = translator.install(whole(two));
    CHECK(std::get<xfrm::Sa>(first->additions()[0]).reqid != std::get<xfrm::Sa>(second->additions()[0]).reqid);
}

TEST_CASE("selectors that the kernel can't have change nothing") {
    Translator translator;
    ike::ChildSaSpec wrong = spec(1001, 2001);
    wrong.remote_selectors = {ike::parse_selector("fd02::/16").value()};
    CHECK(translator.install(whole(wrong)).error().reason == "selectors-empty");
    CHECK(translator.trap(wrong).error().reason == "selectors-empty");
    CHECK(is_empty(translator.remove(ike::RemoveChild{wrong})));
    CHECK(is_empty(translator.clear()));
}

TEST_CASE("refused by the kernel") {
    Translator translator;
    Tables tables;
    SUBCASE("the first: nothing is left of it") {
        REQUIRE(translator.install(whole(spec(1001, 2001))));
        SUBCASE("somebody else's SA is not removed") {
            CHECK(is_empty(translator.refused({1001}, kExists)));
        }
        SUBCASE("else all that might be there is removed") {
            const auto mended = translator.refused({1001}, kRefused);
            CHECK(mended.additions().empty());
            CHECK(mended.removals().size() == 5);
        }
        CHECK(is_empty(translator.refused({1001}, kRefused)));
        CHECK(is_empty(translator.remove(ike::RemoveChild{spec(1001, 2001)})));
        CHECK(is_empty(translator.clear()));
    }
    SUBCASE("a rekeying: the old one has its outbound half again") {
        tables.carry_out(translator.install(whole(spec(1001, 2001))));
        const auto before = tables.policies;
        REQUIRE(translator.install(whole(spec(1002, 2002), 2001)));
        const xfrm::Transaction mended = translator.refused({1002}, kExists);
        for (const auto& addition : mended.additions()) {
            std::visit([&](const auto& each) { tables.add(each); }, addition);
        }
        CHECK(tables.policies == before);
        tables.carry_out(translator.remove(ike::RemoveChild{spec(1001, 2001)}));
        CHECK(tables.empty());
    }
}

TEST_CASE("an outbound half refused by the kernel: the inbound one stays until it is removed") {
    Translator translator;
    Tables tables;
    tables.carry_out(translator.install(whole(spec(1001, 2001))));
    const auto before = tables.policies;
    tables.carry_out(translator.install(inbound_only(spec(1002, 2002))));
    REQUIRE(translator.install(
        ike::InstallOutbound{.spec = spec(1002, 2002), .outbound = keys(1), .replaces_outbound = ike::EspSpi{2001}}));
    const auto mended = translator.refused_outbound({1002}, kRefused);
    REQUIRE(mended.removals().size() == 1);
    CHECK(std::get<xfrm::SaId>(mended.removals()[0]).spi.value == 2002);
    for (const auto& addition : mended.additions()) {
        std::visit([&](const auto& each) { tables.add(each); }, addition);
    }
    CHECK(tables.policies == before);
    CHECK(tables.spis() == "1001 1002 2001");
    tables.carry_out(translator.remove(ike::RemoveChild{spec(1002, 2002)}));
    CHECK(tables.spis() == "1001 2001");
    tables.carry_out(translator.remove(ike::RemoveChild{spec(1001, 2001)}));
    CHECK(tables.empty());
    CHECK(is_empty(translator.refused_outbound({1002}, kRefused)));
    CHECK(is_empty(translator.clear()));
}

ike::ChildSaSpec at_port(ike::ChildSaSpec made, std::uint16_t remote) {
    made.udp_ports = {4500, remote};
    return made;
}

TEST_CASE("other addresses: SAs, policies and what comes after them follow") {
    Translator translator;
    Tables tables;
    const auto there = [](std::uint32_t inbound, std::uint32_t outbound) {
        ike::ChildSaSpec made = spec(inbound, outbound);
        made.local = *IpAddress::parse("203.0.113.5");
        made.remote = *IpAddress::parse("203.0.113.6");
        made.udp_ports = {4500, 61'000};
        return made;
    };
    ike::ChildSaSpec trap = spec(0, 0);
    tables.carry_out(translator.trap(trap));
    tables.carry_out(translator.install(whole(spec(1001, 2001))));
    tables.carry_out(translator.install(inbound_only(spec(1002, 2002))));
    const xfrm::ReqId number = tables.out();
    const std::size_t policies = tables.policies.size();
    for (const auto& [inbound, outbound] : {std::pair(1001U, 2001U), std::pair(1002U, 2002U)}) {
        tables.carry_out(translator.move({.from = spec(inbound, outbound), .to = there(inbound, outbound)}));
    }
    CHECK(tables.spis() == "1001 1002 2001");
    CHECK(tables.policies.size() == policies);
    const xfrm::SaId out{.destination = there(0, 0).remote, .spi = {2001}};
    CHECK(tables.encapsulated.at(out) == xfrm::UdpEncapsulation{.source_port = 4500, .destination_port = 61'000});
    CHECK(translator.child_of(out) == ike::EspSpi{1001});
    CHECK(translator.child_of({.destination = there(0, 0).local, .spi = {1002}}) == ike::EspSpi{1002});
    for (const auto& [id, policy] : tables.policies) {
        const bool leaves = id.direction == xfrm::Direction::out;
        CHECK(policy.templates.front().source == (leaves ? there(0, 0).local : there(0, 0).remote));
        CHECK(policy.templates.front().destination == (leaves ? there(0, 0).remote : there(0, 0).local));
        CHECK(policy.templates.front().reqid == number);
    }
    // The same number, from where it is now.
    tables.carry_out(translator.install(ike::InstallOutbound{
        .spec = there(1002, 2002), .outbound = keys(0xbb), .replaces_outbound = ike::EspSpi{2001}}));
    CHECK(tables.out() == number);
    trap.local = there(0, 0).local;
    trap.remote = there(0, 0).remote;
    trap.udp_ports = there(0, 0).udp_ports;
    tables.carry_out(translator.trap(trap));
    for (const std::uint32_t each : {1001U, 1002U}) {
        tables.carry_out(translator.remove(ike::RemoveChild{there(each, each + 1000)}));
    }
    CHECK(tables.out() == number);
    tables.carry_out(translator.untrap_all_but({}));
    CHECK(tables.empty());
}

TEST_CASE("another port of the peer: the SAs keep their number, and so do their successors") {
    Translator translator;
    Tables tables;
    tables.carry_out(translator.install(whole(at_port(spec(1001, 2001), 61'000))));
    tables.carry_out(translator.install(inbound_only(at_port(spec(1002, 2002), 61'000))));
    const auto before = tables.policies;
    const auto move = [&](std::uint32_t inbound, std::uint32_t outbound) {
        return translator.move(
            {.from = at_port(spec(inbound, outbound), 61'000), .to = at_port(spec(inbound, outbound), 62'000)});
    };
    tables.carry_out(move(1001, 2001));
    CHECK(tables.moved == std::vector<xfrm::UdpEncapsulation>{{62'000, 4500}, {4500, 62'000}});
    tables.carry_out(move(1002, 2002));
    CHECK(tables.moved.size() == 3);
    tables.carry_out(translator.install(whole(at_port(spec(1003, 2003), 62'000), 2001)));
    CHECK(tables.policies == before);
    for (const auto& [id, reqid] : tables.sas) {
        CHECK(reqid == tables.out());
    }
    // Who comes to the port that was left is somebody else.
    tables.carry_out(translator.install(inbound_only(at_port(spec(1004, 2004), 61'000))));
    CHECK(tables.sas.at({.destination = *IpAddress::parse("192.0.2.1"), .spi = {1004}}) != tables.out());
    CHECK(is_empty(move(7, 8)));
    for (const std::uint32_t each : {1001U, 1002U, 1003U, 1004U}) {
        tables.carry_out(translator.remove(ike::RemoveChild{spec(each, each + 1000)}));
    }
    CHECK(tables.empty());
    CHECK(is_empty(translator.clear()));
}

TEST_CASE("a move to where another peer is known already") {
    Translator translator;
    Tables tables;
    tables.carry_out(translator.install(whole(at_port(spec(1001, 2001), 61'000))));
    tables.carry_out(translator.install(inbound_only(at_port(spec(1002, 2002), 62'000))));
    tables.carry_out(
        translator.move({.from = at_port(spec(1001, 2001), 61'000), .to = at_port(spec(1001, 2001), 62'000)}));
    tables.carry_out(translator.remove(ike::RemoveChild{at_port(spec(1001, 2001), 62'000)}));
    const auto third = translator.install(inbound_only(at_port(spec(1003, 2003), 62'000)));
    tables.carry_out(third);
    CHECK(tables.sas.at({.destination = *IpAddress::parse("192.0.2.1"), .spi = {1003}}) ==
          tables.sas.at({.destination = *IpAddress::parse("192.0.2.1"), .spi = {1002}}));
}

TEST_CASE("a device gets both halves, and the policies where it does whole packets") {
    for (const bool packet : {false, true}) {
        CAPTURE(packet);
        Translator translator;
        const xfrm::Offload device{.device = 7, .inbound = false, .packet = packet};
        const auto first = translator.install(inbound_only(spec(1001, 2001)), device);
        const auto second = translator.install(
            ike::InstallOutbound{.spec = spec(1001, 2001), .outbound = keys(1), .replaces_outbound = {}}, device);
        REQUIRE(first);
        REQUIRE(second);
        CHECK(std::get<xfrm::Sa>(first->additions().at(0)).offload == xfrm::Offload{7, true, packet});
        CHECK(std::get<xfrm::Sa>(second->additions().at(0)).offload == xfrm::Offload{7, false, packet});
        for (const xfrm::Policy& policy :
             {std::get<xfrm::Policy>(first->additions().at(1)), std::get<xfrm::Policy>(second->additions().at(1))}) {
            CHECK(policy.offload_device == (packet ? std::optional<std::uint32_t>(7) : std::nullopt));
        }
        // Another one of the same traffic, without a device, has policies of its own where they differ: not fwd.
        const auto other = translator.install(whole(spec(1002, 2002)));
        REQUIRE(other);
        CHECK(other->additions().size() == (packet ? 4 : 2));
    }
}

TEST_CASE("whose SA it is") {
    Translator translator;
    REQUIRE(translator.install(whole(spec(1001, 2001))));
    REQUIRE(translator.install(inbound_only(spec(1002, 2002))));
    const IpAddress here = *IpAddress::parse("192.0.2.1");
    const IpAddress there = *IpAddress::parse("198.51.100.7");
    CHECK(translator.child_of({.destination = here, .spi = {1001}}).value == 1001);
    CHECK(translator.child_of({.destination = there, .spi = {2001}}).value == 1001);
    CHECK(translator.child_of({.destination = here, .spi = {1002}}).value == 1002);
    CHECK(translator.child_of({.destination = there, .spi = {2002}}).value == 0);
    CHECK(translator.child_of({.destination = there, .spi = {1001}}).value == 0);
    CHECK(translator.child_of({.destination = here, .spi = {0}}).value == 0);
}

TEST_CASE("a refusal takes no policy along that another has come to hold meanwhile") {
    Translator translator;
    REQUIRE(translator.install(whole(spec(1001, 2001))));
    REQUIRE(translator.install(whole(spec(1002, 2002))));
    const auto mended = translator.refused({1001}, kExists);
    CHECK(mended.additions().size() == 3);
    CHECK(mended.removals().empty());
}

TEST_CASE("everything goes at once") {
    Translator translator;
    Tables tables;
    tables.carry_out(translator.install(whole(spec(1001, 2001))));
    tables.carry_out(translator.install(inbound_only(spec(1002, 2002))));
    tables.carry_out(translator.clear());
    CHECK(tables.empty());
    CHECK(is_empty(translator.clear()));
}

TEST_CASE("whose number it is") {
    CHECK_FALSE(is_ours({0}));
    CHECK_FALSE(is_ours({1}));
    CHECK_FALSE(is_ours({0x4b000000}));
    CHECK(is_ours({0x4b000001}));
    CHECK(is_ours({0x4bffffff}));
    CHECK_FALSE(is_ours({0x4c000000}));
}
TEST_SUITE_END();
