#include <doctest/doctest.h>

#include "ike/eap_auth.hpp"
#include "ike/wire/message.hpp"
#include "tests/support/certified_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using namespace keysluice::ike::testing;
using std::chrono::seconds;

namespace {

constexpr std::string_view kUser = "alice";
constexpr std::string_view kPassword = "sesame";

/// a proves who it is by EAP, z by a certificate.
template <typename Ends>
struct Begun {
    explicit Begun(const std::function<void(Connection& of_a, Connection& of_z)>& change = {}) {
        ends.configure([&](Connection& a, Connection& z) {
            show(ends.z, z, {&vault().leaf("z.example", KeyType::p256)});
            believe(a, vault().authority());
            a.auth = z.remote_auth = Auth::eap_mschapv2;
            a.eap_rules.methods = z.eap_rules.methods = {eap::Type::mschapv2};
            a.eap_rules.identity = kUser;
            a.eap_rules.password = eap::Password(as_bytes(kPassword));
            z.eap_rules.users.emplace(kUser, eap::Password(as_bytes(kPassword)));
            z.remote_id = {};
            if (change) {
                change(a, z);
            }
        });
        ends.initiate(ends.a);
    }
    /// Delivers so many messages.
    void deliver(int count) {
        for (int i = 0; i < count; ++i) {
            REQUIRE(ends.deliver());
        }
    }
    /// Up to where EAP has begun: a's first packet is on its way.
    void until_eap() { deliver(4); }
    /// Somebody with z's keys answers the request of a that is on its way.
    void answer_with(const eap::Packet& packet) {
        REQUIRE(ends.wire.size() == 1);
        wire::Header header = wire::parse(ends.wire.front().bytes)->header;
        ends.wire.clear();
        header.from_initiator = false;
        header.is_response = true;
        ends.event(ends.a, DatagramReceived{ends.a.address, ends.z.address, sealed_by_z(header, packet)});
    }
    wire::Octets sealed_by_z(const wire::Header& header, const eap::Packet& packet) {
        const Sa& z = *ends.z.sa();
        Toolbox tools;
        IvCounter iv{.epoch = 99, .next = header.message_id.value};
        const Payloads payloads{wire::EapPayload{eap::emit(packet)}};
        return seal_message(tools, z.suite, z.sending(), iv, header, payloads, {}).value().front();
    }
    void check_refused(std::string_view reason_at_a, std::string_view reason_at_z) {
        CHECK(ends.a.last_reason() == reason_at_a);
        CHECK(ends.z.last_reason() == reason_at_z);
        CHECK(ends.a.standing() == 0);
        CHECK(ends.z.standing() == 0);
        CHECK(ends.a.kernel.empty());
        CHECK(ends.z.kernel.empty());
        CHECK(ends.z.endpoint->half_open() <= 1);
    }
    Ends ends;
};

wire::Octets nak(const wire::Octets& request) {
    return eap::emit({eap::Code::response, request.at(1), eap::Type::nak, {13}});
}

}  // namespace

TEST_SUITE("exchange: EAP") {
    TEST_CASE_TEMPLATE("the right password, and a rekeying of both afterwards", Ends, TwoEnds, RewrittenEnds) {
        Begun<Ends> begun;
        Ends& ends = begun.ends;
        ends.settle();
        ends.check_up();
        CHECK(wire::print(ends.z.sa()->peer_id) == kUser);
        CHECK(wire::print(ends.a.sa()->peer_id) == "z.example");
        ends.event(ends.z, Rekey{"a-z", {}});
        ends.settle();
        ends.event(ends.a, Rekey{"a-z", "net"});
        ends.settle();
        ends.pass(seconds(30));
        ends.check_up();
        CHECK(wire::print(ends.z.sa()->peer_id) == kUser);
    }

    // Another process does not inherit fragments: they are sent again.
    TEST_CASE("large messages come in fragments") {
        Begun<TwoEnds> begun(
            [](Connection&, Connection& z) { z.certificate.chain.resize(8, z.certificate.chain.front()); });
        begun.deliver(3);
        CHECK(begun.ends.wire.size() > 1);
        begun.ends.settle();
        begun.ends.check_up();
    }

    TEST_CASE_TEMPLATE("a wrong password and an unknown user: each end has its reason, and a can't tell them apart",
                       Ends, TwoEnds, RewrittenEnds) {
        SUBCASE("wrong") {
            Begun<Ends> begun(
                [](Connection& a, Connection&) { a.eap_rules.password = eap::Password(as_bytes("guessed")); });
            begun.ends.settle();
            begun.check_refused("eap-refused", "eap-password");
        }
        SUBCASE("unknown") {
            Begun<Ends> begun([](Connection& a, Connection&) { a.eap_rules.identity = "mal\nlory"; });
            begun.ends.settle();
            begun.check_refused("eap-refused", "eap-user");
            const std::string& told = begun.ends.z.reports.back().error.sentence;
            CHECK_MESSAGE(told.contains("user mal\\x0alory: there is no such user"), told);
        }
    }

    TEST_CASE_TEMPLATE("a server whose certificate does not do is not told a thing", Ends, TwoEnds, RewrittenEnds) {
        Begun<Ends> begun([](Connection& a, Connection&) { believe(a, vault().authority("other root")); });
        begun.ends.settle();
        begun.check_refused("certificate-untrusted", "auth-refused");
    }

    TEST_CASE_TEMPLATE("a peer that declines, and has none of our methods", Ends, TwoEnds, RewrittenEnds) {
        Begun<Ends> begun;
        begun.until_eap();
        begun.deliver(2);
        begun.ends.tamper(begun.ends.a, [](Payloads& all) {
            auto* eap = find_in<wire::EapPayload>(all);
            eap->packet = nak(eap->packet);
        });
        begun.ends.settle();
        CHECK(begun.ends.z.last_reason() == "eap-method");
        CHECK(begun.ends.z.standing() == 0);
        CHECK(begun.ends.a.standing() == 0);
    }

    TEST_CASE_TEMPLATE("a peer that breaks off where it was refused: the reason is told once", Ends, TwoEnds,
                       RewrittenEnds) {
        Begun<Ends> begun(
            [](Connection& a, Connection&) { a.eap_rules.password = eap::Password(as_bytes("guessed")); });
        begun.deliver(8);
        REQUIRE(begun.ends.wire.size() == 1);
        wire::Header header = wire::parse(begun.ends.wire.front().bytes)->header;
        header.exchange = wire::ExchangeType::informational;
        const Sa& a = *begun.ends.a.sa();
        Toolbox tools;
        IvCounter iv{.epoch = 99, .next = 0};
        begun.ends.wire.front().bytes = seal_message(tools, a.suite, a.sending(), iv, header,
                                                     {notify(wire::NotifyType::authentication_failed)}, {})
                                            .value()
                                            .front();
        begun.deliver(1);
        CHECK(begun.ends.z.standing() == 0);
        CHECK(begun.ends.z.last_reason() == "eap-password");
        CHECK(begun.ends.z.count(Report::Kind::refused) + begun.ends.z.count(Report::Kind::failed) == 1);
    }

    TEST_CASE_TEMPLATE("a peer that wants EAP where a key is expected, and the other way round", Ends, TwoEnds,
                       RewrittenEnds) {
        SUBCASE("z expects a key") {
            Begun<Ends> begun([](Connection&, Connection& z) { z.remote_auth = Auth::shared_key; });
            begun.ends.settle();
            begun.check_refused("auth-refused", "auth-method");
        }
        SUBCASE("a has a key") {
            Begun<Ends> begun([](Connection& a, Connection&) { a.auth = Auth::shared_key; });
            begun.ends.settle();
            begun.check_refused("auth-refused", "auth-method");
        }
        SUBCASE("z would have to prove itself by EAP") {
            Begun<Ends> begun([](Connection&, Connection& z) { z.auth = Auth::eap_mschapv2; });
            begun.ends.settle();
            begun.check_refused("auth-refused", "no-connection");
        }
        SUBCASE("z asks for no EAP") {
            Begun<Ends> begun;
            begun.deliver(3);
            begun.ends.tamper(begun.ends.z, [](Payloads& all) {
                std::erase_if(all, [](const auto& each) { return std::holds_alternative<wire::EapPayload>(each); });
            });
            begun.deliver(1);
            CHECK(begun.ends.a.last_reason() == "auth-method");
        }
    }

    TEST_CASE_TEMPLATE("who begins can't ask the other one for EAP", Ends, TwoEnds, RewrittenEnds) {
        Begun<Ends> begun([](Connection& a, Connection& z) {
            a.remote_auth = Auth::eap_mschapv2;
            a.auth = z.remote_auth = Auth::shared_key;
        });
        begun.ends.settle();
        CHECK(begun.ends.a.last_reason() == "auth-method");
        CHECK(begun.ends.a.standing() == 0);
    }

    TEST_CASE_TEMPLATE("another key than that of EAP is no proof", Ends, TwoEnds, RewrittenEnds) {
        Begun<Ends> begun;
        SUBCASE("at z") {
            begun.until_eap();
            begun.deliver(6);  // identity, challenge, success: three rounds
            begun.ends.tamper(begun.ends.a, [](Payloads& all) { find_in<wire::AuthPayload>(all)->data.at(0) ^= 1U; });
            begun.ends.settle();
            begun.check_refused("auth-refused", "auth-failed");
        }
        SUBCASE("at a") {
            begun.until_eap();
            begun.deliver(7);
            begun.ends.tamper(begun.ends.z, [](Payloads& all) { find_in<wire::AuthPayload>(all)->data.at(0) ^= 1U; });
            begun.ends.settle();
            begun.check_refused("auth-failed", "auth-refused");
        }
        SUBCASE("nor is none") {
            begun.until_eap();
            begun.deliver(6);
            begun.ends.tamper(begun.ends.a, [](Payloads& all) { all = {wire::EapPayload{{2, 1, 0, 4}}}; });
            begun.ends.settle();
            begun.check_refused("auth-refused", "eap-malformed");
        }
    }

    TEST_CASE_TEMPLATE("AUTH without EAP is no way in", Ends, TwoEnds, RewrittenEnds) {
        Begun<Ends> begun;
        begun.until_eap();
        begun.ends.tamper(begun.ends.a, [](Payloads& all) {
            all = {wire::AuthPayload{.method = wire::AuthMethod::shared_key, .data = wire::Octets(32)}};
        });
        begun.ends.settle();
        begun.check_refused("auth-refused", "eap-malformed");
    }

    TEST_CASE_TEMPLATE("a peer that falls silent in the middle is waited for no longer than a minute", Ends, TwoEnds,
                       RewrittenEnds) {
        Begun<Ends> begun;
        begun.until_eap();
        CHECK(begun.ends.z.endpoint->half_open() == 1);
        begun.ends.pass_silently(kEapPatience + seconds(1));
        CHECK(begun.ends.z.last_reason() == "eap-timeout");
        CHECK(begun.ends.a.last_reason() == "eap-timeout");
        begun.ends.pass_silently(seconds(60));
        CHECK(begun.ends.z.endpoint->half_open() == 0);
        CHECK(begun.ends.z.endpoint->sas().empty());
        CHECK(begun.ends.a.endpoint->sas().empty());
    }

    TEST_CASE_TEMPLATE("a server that goes on asking is left", Ends, TwoEnds, RewrittenEnds) {
        Begun<Ends> begun;
        begun.until_eap();
        unsigned rounds = 0;
        while (begun.ends.a.sa()->state == State::eap && rounds <= 2 * kMostEapRounds) {
            ++rounds;
            begun.answer_with({eap::Code::request, 1, eap::Type::notification, {}});
        }
        CHECK(rounds == kMostEapRounds);
        CHECK(begun.ends.a.last_reason() == "eap-rounds");
        CHECK(begun.ends.a.sa()->state == State::closing);
    }

    TEST_CASE_TEMPLATE("a server that ends EAP is believed, one that is pleased at once is not", Ends, TwoEnds,
                       RewrittenEnds) {
        Begun<Ends> begun;
        begun.until_eap();
        SUBCASE("it ends it") {
            begun.answer_with({eap::Code::failure, 1});
            CHECK(begun.ends.a.last_reason() == "eap-method");
            CHECK(begun.ends.a.standing() == 0);
            CHECK(begun.ends.wire.empty());
        }
        SUBCASE("it is pleased") {
            begun.answer_with({eap::Code::success, 1});
            CHECK(begun.ends.a.last_reason() == "eap-malformed");
            CHECK(begun.ends.a.sa()->state == State::closing);
        }
    }

    TEST_CASE_TEMPLATE("each message may be lost, and each answer", Ends, TwoEnds, RewrittenEnds) {
        constexpr int kMessages = 12;
        for (int lost = 0; lost < kMessages; ++lost) {
            CAPTURE(lost);
            Begun<Ends> begun;
            begun.deliver(lost);
            begun.ends.drop();
            begun.ends.pass(seconds(3));
            begun.ends.check_up();
        }
    }

    TEST_CASE("while EAP runs, an initiator takes no request") {
        Begun<TwoEnds> begun;
        begun.until_eap();
        const Sa& z = *begun.ends.z.sa();
        REQUIRE(z.state == State::eap);
        const wire::Header header{.initiator_spi = z.initiator_spi,
                                  .responder_spi = z.responder_spi,
                                  .exchange = wire::ExchangeType::create_child_sa,
                                  .from_initiator = false,
                                  .is_response = false,
                                  .message_id = MessageId{0}};
        const auto request = begun.sealed_by_z(header, {eap::Code::failure, 1});
        begun.ends.event(begun.ends.a, DatagramReceived{begun.ends.a.address, begun.ends.z.address, request});
        REQUIRE(begun.ends.a.sa() != nullptr);
        CHECK(begun.ends.a.sa()->state == State::eap);
        CHECK(begun.ends.wire.size() == 1);
        begun.ends.settle();
        begun.ends.check_up();
    }
}
