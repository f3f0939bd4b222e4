#include "daemon/control/ike_service.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <string>

#include "daemon/control/ike_certificates.hpp"
#include "daemon/engine/handshake_table.hpp"
#include "daemon/engine/signer.hpp"
#include "tests/support/certified_ends.hpp"
#include "tests/support/processes.hpp"
#include "tests/support/two_gateways.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace std::chrono_literals;
using keysluice::ike::testing::KeyType;
using keysluice::ike::testing::vault;
using keysluice::test::configuration_of;
using keysluice::test::Gateway;
using keysluice::test::kLeft;
using keysluice::test::kRight;
using keysluice::test::TwoGateways;

namespace {

/// Both have certificates with their addresses in them.
void certify(IkeConnection& connection, const IpAddress& address) {
    const auto& issued =
        vault().make("gateway " + address.text(),
                     {.names = "IP:" + address.text(), .key = KeyType::ed25519, .issuer = &vault().authority()});
    connection.certificate = issued.certificate_file;
    connection.private_key.path = issued.key_file;
    connection.ca = vault().authority().certificate_file;
    connection.own_id = true;
    connection.rules->auth = ike::Auth::certificate;
    connection.rules->remote_auth = ike::Auth::certificate;
}

struct CertifiedGateways : TwoGateways {
    explicit CertifiedGateways(const Change& change = [](IkeConnection&, IkeConnection&) {})
        : TwoGateways([this, &change](IkeConnection& of_left, IkeConnection& of_right) {
              certify(of_left, kLeft);
              certify(of_right, kRight);
              change(of_left, of_right);
              IkeConfiguration both{.settings = {}, .pools = {}, .connections = {of_left, of_right}};
              Diagnostics warnings;
              REQUIRE(load_certificates(both, std::chrono::system_clock::now(), warnings).empty());
              signers.use(signing_keys(both));
          }) {}
};

/// An engine as far as it signs, at the other end of a channel to `signers`.
struct SigningEngine final : Channel::Owner {
    SigningEngine(Loop& loop, Signers& its_signers, test::FdPair pair = test::seqpacket_pair())
        : signers(its_signers),
          ours(loop, std::move(pair.first), *this),
          theirs(loop, std::move(pair.second), *this) {
        signers.joined(ours);
    }
    ~SigningEngine() override { signers.left(ours); }
    void on_message(Channel& channel, Message message, Descriptors /*descriptors*/) override {
        if (const auto* key = std::get_if<SigningKey>(&message)) {
            CHECK(channel.send(signer.load(*key)));
        } else if (std::holds_alternative<SigningKeysComplete>(message)) {
            signer.forget_others();
        } else if (const auto* wanted = std::get_if<SignatureWanted>(&message)) {
            CHECK(channel.send(signer.sign(*wanted)));
        } else if (const auto* turn = std::get_if<TlsTurnHeard>(&message)) {
            TlsTurnAnswered answer = table.hear(*turn, now());
            CHECK((silent || channel.send(std::move(answer))));
        } else if (const auto* over = std::get_if<TlsHandshakeOver>(&message)) {
            table.forget(over->handshake);
        } else if (const auto* loaded = std::get_if<SigningKeyLoaded>(&message)) {
            signers.on_message(channel, *loaded);
        } else if (auto* answered = std::get_if<TlsTurnAnswered>(&message)) {
            signers.on_message(channel, std::move(*answered));
        } else {
            signers.on_message(channel, std::get<SignatureMade>(std::move(message)));
        }
    }
    void on_closed(Channel& /*channel*/, std::string_view /*why*/) override {}

    Signers& signers;
    Signer signer;
    HandshakeTable table{signer};
    bool silent = false;  ///< about TLS
    Channel ours;
    Channel theirs;
};

/// The one before still takes what is on its way.
bool rekeyed(const Gateway& gateway) {
    const auto children = gateway.children();
    return children.size() == 2 && children[0].state == "lingering" && children[1].state == "installed";
}

bool adds_only_outbound(const xfrm::Transaction& transaction) {
    bool inbound = false;
    bool outbound = false;
    for (const auto& addition : transaction.additions()) {
        if (const auto* sa = std::get_if<xfrm::Sa>(&addition)) {
            (sa->direction == xfrm::Direction::in ? inbound : outbound) = true;
        }
    }
    return outbound && !inbound;
}

xfrm::Expire expire(const ChildView& child, const IpAddress& local, bool hard) {
    xfrm::Expire event;
    event.id = {.destination = local, .spi = {child.inbound}};
    event.hard = hard;
    return event;
}

}  // namespace

TEST_SUITE_BEGIN("ike service");

TEST_CASE_FIXTURE(TwoGateways, "two services make a tunnel, and take it down") {
    await_up();
    CHECK(left.tables.sas.size() == 2);
    CHECK(left.tables.policies.size() == 3);
    CHECK(right.tables.sas.size() == 2);
    bool stopped = false;
    left.service->stop([&] { stopped = true; });
    REQUIRE(await([&] { return stopped && right.children().empty() && right.tables.sas.empty(); }));
    CHECK(left.tables.sas.empty());
    CHECK(left.tables.policies.empty());
    CHECK(right.tables.policies.empty());
}

TEST_CASE_FIXTURE(CertifiedGateways, "by certificates, as soon as an engine signs") {
    for (int turn = 0; turn < 20; ++turn) {
        loop.turn(5ms);
    }
    CHECK(left.children().empty());
    const SigningEngine engine(loop, signers);
    await_up();
}

/// The left one proves itself by EAP-TLS, and with it the right one.
struct EapGateways : CertifiedGateways {
    EapGateways()
        : CertifiedGateways([](IkeConnection& of_left, IkeConnection& of_right) {
              of_left.rules->auth = of_right.rules->remote_auth = ike::Auth::eap_tls;
              of_left.rules->eap_only = of_right.rules->eap_only = true;
              of_left.rules->eap_rules.identity = kLeft.text();
              of_left.rules->eap_rules.methods = of_right.rules->eap_rules.methods = {eap::Type::tls};
          }) {}
};

TEST_CASE_FIXTURE(EapGateways, "by EAP-TLS, whose handshakes are in an engine") {
    const SigningEngine engine(loop, signers);
    await_up();
    CHECK(engine.table.size() == 0);
    CHECK(signers.handshakes().in(engine.ours) == 0);
}

TEST_CASE_FIXTURE(EapGateways, "a handshake that is given up leaves nothing behind in the engine") {
    SigningEngine engine(loop, signers);
    engine.silent = true;
    REQUIRE(await([&] { return engine.table.size() == 1; }));
    CHECK(left.service->down("hq") == 1);
    CHECK(await([&] { return engine.table.size() == 0; }));
    CHECK(signers.handshakes().in(engine.ours) == 0);
}

/// The left gateway's child asks for it.
struct Offloading : TwoGateways {
    Offloading()
        : TwoGateways([](IkeConnection& of_left, IkeConnection& of_right) {
              of_left.rules->children[0].offload = ike::Offload::crypto;
              of_right.rules->children[0].offload = ike::Offload::off;
          }) {}
};

TEST_CASE_FIXTURE(Offloading, "offload that no device does is no CHILD SA, and the peer hears of it") {
    REQUIRE(await([&] { return log.text().find("(offload-declined)") != std::string::npos; }));
    CHECK(log.text().find("eth7 does not take over ESP's cryptography") != std::string::npos);
    CHECK(await([&] { return right.children().empty() && right.tables.sas.empty(); }));
    CHECK(left.children().empty());
    CHECK(left.tables.sas.empty());
}

TEST_CASE_FIXTURE(TwoGateways, "\"auto\" is the default; a rekeyed child asks again") {
    await_up();
    CHECK(left.only_child()->offload.requested == ike::Offload::automatic);
    CHECK(left.only_child()->offload.in_force == ike::Offload::off);
    for (Gateway* gateway : {&left, &right}) {
        gateway->tables.takes = [](const xfrm::Sa&) { return true; };
    }
    left.service->hear(expire(*left.only_child(), kLeft, false));
    REQUIRE(await([&] { return rekeyed(left) && rekeyed(right); }));
    for (const Gateway* gateway : {&left, &right}) {
        CHECK(await([&] {
            const auto children = gateway->children();
            return children.size() == 2 && children[1].offload.in_force == ike::Offload::crypto &&
                   children[1].offload.device == "eth7";
        }));
    }
}

TEST_CASE_FIXTURE(TwoGateways, "a soft limit leads to a rekeying") {
    await_up();
    const ChildView before = *left.only_child();
    left.service->hear(expire(before, kLeft, false));
    REQUIRE(await([&] { return rekeyed(left) && rekeyed(right); }));
    CHECK(left.tables.sas.size() == 4);
}

TEST_CASE_FIXTURE(TwoGateways, "a hard limit: the peer hears of it, and another child is made") {
    await_up();
    const ChildView before = *left.only_child();
    left.tables.sas.erase({.destination = kLeft, .spi = {before.inbound}});
    left.service->hear(expire(before, kLeft, true));
    REQUIRE(await([&] { return left.only_child() && left.only_child()->inbound != before.inbound; }));
    await_up();
    CHECK(log.text().find("sa-expired") != std::string::npos);
    REQUIRE(await([&] { return left.tables.sas.size() == 2 && right.tables.sas.size() == 2; }));
}

TEST_CASE_FIXTURE(TwoGateways, "an SA of somebody else's may expire") {
    await_up();
    ChildView other = *left.only_child();
    ++other.inbound;
    left.service->hear(expire(other, kLeft, true));
    left.service->hear(expire(*left.only_child(), kRight, true));
    for (int i = 0; i < 5; ++i) {
        loop.turn(10ms);
    }
    await_up();
}

TEST_CASE_FIXTURE(TwoGateways,
                  "an outbound half that the kernel refuses: the peer hears of it, and another child is made") {
    await_up();
    const ChildView before = *left.only_child();
    int refused = 0;
    right.tables.refuse = [&](const xfrm::Transaction& transaction) -> Result<void> {
        if (adds_only_outbound(transaction) && refused == 0) {
            ++refused;
            return fail("netlink-refused", "the kernel refused the ESP SA: Requested AEAD algorithm not found");
        }
        return {};
    };
    left.service->hear(expire(before, kLeft, false));  // left rekeys, so right's outbound half comes later
    REQUIRE(await(
        [&] { return left.only_child() && right.only_child() && left.only_child()->inbound != before.inbound; }));
    CHECK(refused == 1);
    await_up();
    REQUIRE(await([&] { return left.tables.sas.size() == 2 && right.tables.sas.size() == 2; }));
    CHECK(log.text().find("Requested AEAD algorithm not found (netlink-refused)") != std::string::npos);
}

TEST_CASE_FIXTURE(TwoGateways, "a lost event: what has gone meanwhile is made again, what is spent is rekeyed") {
    await_up();
    const ChildView before = *left.only_child();
    const xfrm::SaId outbound{.destination = kRight, .spi = {before.outbound}};
    SUBCASE("gone") {
        left.tables.sas.erase(outbound);
        left.service->hear(xfrm::Lost{});
        REQUIRE(await([&] { return left.only_child() && left.only_child()->inbound != before.inbound; }));
        await_up();
        CHECK(log.text().find("(sa-missing)") != std::string::npos);
    }
    SUBCASE("spent") {
        left.tables.sas.at(outbound).soft.packets = 1000;
        left.tables.sas.at(outbound).packets = 1000;
        left.service->hear(xfrm::Lost{});
        CHECK(await([&] { return rekeyed(left) && rekeyed(right); }));
    }
    SUBCASE("nothing") {
        left.service->hear(xfrm::Lost{});
        for (int i = 0; i < 5; ++i) {
            loop.turn(10ms);
        }
        CHECK(left.only_child()->inbound == before.inbound);
    }
}

TEST_CASE_FIXTURE(TwoGateways, "a reload: what stands goes on with what it was made with") {
    await_up();
    const ChildView before = *left.only_child();
    SUBCASE("a connection that is gone") {
        left.service->reload({});
        right.service->reload({});
        right.service->hear(expire(*right.only_child(), kRight, false));
        CHECK(await([&] { return rekeyed(left) && rekeyed(right); }));
        bool stopped = false;
        left.service->stop([&] { stopped = true; });
        CHECK(await([&] { return stopped && right.children().empty() && right.tables.sas.empty(); }));
        CHECK(left.tables.sas.empty());
    }
    SUBCASE("another key: the next negotiation needs it at both ends") {
        auto changed = configuration_of(kLeft, kRight, IkeStart::on_load).connections;
        changed[0].rules->keys.set_for_all(ike::SharedKey(as_bytes("another")));
        left.service->reload(changed);
        CHECK(left.only_child()->inbound == before.inbound);
        left.service->hear(expire(before, kLeft, false));
        REQUIRE(await([&] { return rekeyed(left) && rekeyed(right); }));
        CHECK(log.text().find("auth-failed") == std::string::npos);
        right.service->stop([] {});  // it closes the IKE SA, and left begins again
        CHECK(await([&] { return left.children().empty(); }));
        right.service.reset();
        start(right, network.right, configuration_of(kRight, kLeft, IkeStart::manual));
        CHECK(await([&] { return log.text().find("(auth-") != std::string::npos; }));
    }
    SUBCASE("a child that starts on traffic, and no more") {
        auto waiting = configuration_of(kLeft, kRight, IkeStart::on_traffic).connections;
        waiting[0].rules->name = "other";
        waiting[0].rules->children[0].remote = {*ike::parse_selector("10.9.0.0/16")};
        left.service->reload(waiting);
        REQUIRE(await([&] { return left.tables.policies.size() == 4; }));
        left.service->reload({});
        REQUIRE(await([&] { return left.tables.policies.size() == 3; }));
        CHECK(left.only_child()->inbound == before.inbound);
    }
}

TEST_CASE_FIXTURE(TwoGateways, "several gateways: what waits for one of them does not leave in the clear") {
    left.service.reset();
    const UdpEndpoint none{*IpAddress::parse("198.51.100.9"), 500};
    const UdpEndpoint there{kRight, 500};
    auto configuration = configuration_of(kLeft, kRight, IkeStart::on_load);
    configuration.settings.retransmit_tries = 1;
    configuration.settings.retransmit_timeout = 500ms;
    ike::Connection& rules = *configuration.connections.front().rules;
    rules.remote = none.address;
    rules.gateways.all = {none, there};
    rules.liveness = 2s;
    start(left, network.left, configuration);
    REQUIRE(await([&] { return left.only_child() && left.tables.policies.size() == 3; }));
    CHECK(left.service->endpoint().gateway("hq") == there);
    CHECK(log.text().find("the gateway from now on, after 198.51.100.9:500") != std::string::npos);
    // The kernel is asked what has passed.
    const auto found = std::ranges::find_if(left.service->endpoint().sas(), [](const auto& each) {
        return each.second->state == ike::State::established;  // that with the other one is over
    });
    const ike::Sa& sa = *found->second;
    CHECK(await([&] { return sa.watch.counted.has_value(); }));
    const ike::IkeSpi spi = sa.own_spi();
    CHECK(left.service->down("hq", spi) == 1);
    const auto waits = [&] { return left.children().empty() && left.tables.policies.size() == 1; };
    CHECK(await(waits));
    REQUIRE(await([&] { return left.only_child() && left.tables.policies.size() == 3; }));
    CHECK(left.service->down("hq") == 1);
    CHECK(await([&] { return left.tables.policies.empty() && left.tables.sas.empty(); }));
    CHECK(left.service->up(rules, {}));
    CHECK(await([&] { return left.only_child().has_value(); }));
}

TEST_SUITE_END();
