#include <doctest/doctest.h>

#include <array>

#include "ike/eap_auth.hpp"
#include "ike/wire/message.hpp"
#include "tests/support/certified_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using namespace keysluice::ike::testing;
using std::chrono::seconds;

namespace {

constexpr std::array kKeyTypes{KeyType::rsa2048, KeyType::p256,    KeyType::p384,
                               KeyType::p521,    KeyType::ed25519, KeyType::ed448};

using Change = std::function<void(Connection& of_a, Connection& of_z)>;

/// a proves who it is by EAP-TLS, z by a certificate, in IKE and in TLS.
template <typename Ends>
struct Begun {
    explicit Begun(const Change& change = {}, const Issued& of_a = vault().leaf("a.example", KeyType::p256),
                   const Issued& of_z = vault().leaf("z.example", KeyType::p256)) {
        ends.configure([&](Connection& a, Connection& z) {
            show(ends.a, a, {&of_a});
            show(ends.z, z, {&of_z});
            believe(a, vault().authority());
            believe(z, vault().authority());
            a.auth = z.remote_auth = Auth::eap_tls;
            a.eap_rules.methods = z.eap_rules.methods = {eap::Type::tls};
            a.eap_rules.identity = "a.example";
            if (change) {
                change(a, z);
            }
        });
        ends.initiate(ends.a);
    }
    void deliver(int count) {
        for (int i = 0; i < count; ++i) {
            REQUIRE(ends.deliver());
        }
    }
    /// Up to where the first turn of TLS is on its way to z.
    void until_tls() { deliver(6); }
    /// Up to where both have a key, and a's AUTH is on its way.
    void until_proof() {
        for (int i = 0; i < 40 && (ends.a.sa() == nullptr || !over()); ++i) {
            deliver(1);
        }
        REQUIRE(over());
    }
    [[nodiscard]] bool over() const {
        const Sa& a = *ends.a.sa();
        return a.state == State::eap && a.negotiation->eap->over;
    }
    void check_refused(std::string_view reason_at_a, std::string_view reason_at_z) {
        CHECK(ends.a.last_reason() == reason_at_a);
        CHECK(ends.z.last_reason() == reason_at_z);
        CHECK(ends.a.standing() == 0);
        CHECK(ends.z.standing() == 0);
        CHECK(ends.a.kernel.empty());
        CHECK(ends.z.kernel.empty());
    }
    Ends ends;
};

/// Payloads of the message that is on its way.
Payloads payloads_of(TwoEnds& ends, const End& sender) {
    Payloads all;
    const auto before = ends.wire;
    ends.tamper(sender, [&](Payloads& payloads) { all = payloads; });
    ends.wire = before;
    return all;
}

void alone(Connection& a, Connection& z) {
    a.eap_only = z.eap_only = true;
}

}  // namespace

TEST_SUITE("exchange: EAP-TLS") {
    TEST_CASE("both prove themselves, and rekey both afterwards") {
        Begun<TwoEnds> begun;
        TwoEnds& ends = begun.ends;
        ends.settle();
        ends.check_up();
        CHECK(wire::print(ends.z.sa()->peer_id) == "a.example");
        CHECK(wire::print(ends.a.sa()->peer_id) == "z.example");
        ends.rewriting = true;
        ends.event(ends.z, Rekey{"a-z", {}});
        ends.settle();
        ends.event(ends.a, Rekey{"a-z", "net"});
        ends.settle();
        ends.pass(seconds(30));
        ends.check_up();
    }

    TEST_CASE("every kind of key, in both roles") {
        for (std::size_t each = 0; each < kKeyTypes.size(); ++each) {
            CAPTURE(each);
            Begun<TwoEnds> begun({}, vault().leaf("a.example", kKeyTypes.at(each)),
                                 vault().leaf("z.example", kKeyTypes.at((each + 1) % kKeyTypes.size())));
            begun.ends.settle();
            begun.ends.check_up();
        }
    }

    TEST_CASE("long chains go over in fragments, and another process can go on in between") {
        Begun<TwoEnds> begun([](Connection& a, Connection& z) {
            a.certificate.chain.resize(8, a.certificate.chain.front());
            z.certificate.chain.resize(8, z.certificate.chain.front());
        });
        begun.until_tls();
        const Sa& z = *begun.ends.z.sa();
        int fragments = 0;
        while (!begun.over()) {
            begun.deliver(1);
            if (!std::get<eap::Server>(z.negotiation->eap->side).tls.turns.outgoing.empty()) {
                ++fragments;
                begun.ends.z.rewrite();
                REQUIRE(begun.ends.z.sa() != nullptr);
                break;
            }
        }
        CHECK(fragments > 0);
        begun.ends.settle();
        // The process that took over sends the rest, and knows nothing of the handshake.
        begun.check_refused("eap-refused", "eap-tls-gone");
    }

    TEST_CASE("long chains go over in fragments") {
        Begun<TwoEnds> begun([](Connection& a, Connection& z) {
            a.certificate.chain.resize(8, a.certificate.chain.front());
            z.certificate.chain.resize(8, z.certificate.chain.front());
        });
        begun.ends.settle();
        begun.ends.check_up();
    }

    TEST_CASE("once there is a key, another process goes on") {
        Begun<TwoEnds> begun;
        begun.until_proof();
        begun.ends.rewriting = true;
        begun.ends.settle();
        begun.ends.check_up();
    }

    TEST_CASE("where the processes with the handshake go, it fails in order, and begins anew where it is wanted") {
        SUBCASE("who asks for proof") {
            Begun<TwoEnds> begun;
            begun.until_tls();
            begun.deliver(2);
            begun.ends.z.handshakes.clear();
            begun.ends.settle();
            begun.check_refused("eap-refused", "eap-tls-gone");
        }
        SUBCASE("who proves itself, and keeps the connection up") {
            Begun<TwoEnds> begun([](Connection& a, Connection&) { a.keep_up = true; });
            begun.until_tls();
            begun.deliver(2);
            begun.ends.a.handshakes.clear();
            begun.ends.settle();
            begun.check_refused("eap-tls-gone", "auth-refused");
            begun.ends.pass(seconds(10));
            begun.ends.check_up();
        }
        SUBCASE("keysluiced itself, again and again") {
            Begun<RewrittenEnds> begun;
            begun.ends.settle();
            CHECK(begun.ends.a.standing() == 0);
            CHECK(begun.ends.z.standing() == 0);
            const auto reasons = begun.ends.a.last_reason() + " " + begun.ends.z.last_reason();
            CHECK_MESSAGE(reasons.contains("eap-tls-gone"), reasons);
        }
    }

    TEST_CASE("a user's certificate that does not do is refused") {
        const Issued& other_root = vault().authority("other root");
        struct Case {
            const char* reason;
            const Issued& shown;
        };
        const std::array cases{
            Case{"certificate-untrusted",
                 vault().make("stranger", {.names = "DNS:a.example", .issuer = &other_root})},
            Case{"certificate-expired", vault().make("expired", {.names = "DNS:a.example",
                                                                 .issuer = &vault().authority(),
                                                                 .from = -seconds(7200),
                                                                 .until = -seconds(3600)})},
            Case{"certificate-identity", vault().leaf("b.example", KeyType::p256)},
            Case{"certificate-purpose", vault().make("purpose", {.names = "DNS:a.example",
                                                                 .issuer = &vault().authority(),
                                                                 .key_usage = "keyAgreement"})},
        };
        for (const Case& each : cases) {
            CAPTURE(each.reason);
            Begun<TwoEnds> begun({}, each.shown);
            begun.ends.settle();
            begun.check_refused("eap-refused", each.reason);
        }
    }

    TEST_CASE("a revoked certificate is refused") {
        const Issued& leaf = vault().leaf("a.example", KeyType::p256);
        const auto list = vault().folder.revoke(vault().authority(), {&leaf});
        Begun<TwoEnds> begun(
            [&](Connection&, Connection& z) { z.authorities = trust_in({&vault().authority()}, {list}); });
        begun.ends.settle();
        begun.check_refused("eap-refused", "certificate-revoked");
    }

    TEST_CASE("the server's certificate is looked at before it sees ours") {
        Begun<TwoEnds> begun([](Connection& a, Connection& z) {
            SUBCASE("it is made out to another name") {
                a.eap_server_id = *parse_identity("aaa.example");
            }
            SUBCASE("nobody knows its authority") {
                alone(a, z);
                a.authorities = trust_in({&vault().authority("other root")});
            }
        });
        begun.ends.settle();
        CHECK(begun.ends.a.last_reason().starts_with("certificate-"));
        CHECK(begun.ends.z.last_reason() == "auth-refused");
        CHECK(begun.ends.a.standing() + begun.ends.z.standing() == 0);
    }

    TEST_CASE("the server's certificate may have another name, where we know it") {
        Begun<TwoEnds> begun([](Connection& a, Connection&) { a.eap_server_id = *parse_identity("z.example"); });
        begun.ends.settle();
        begun.ends.check_up();
    }

    TEST_CASE("who somebody is in EAP: a name, a subject in either form, or nobody in particular") {
        const Issued& alice = vault().make(
            "alice",
            {.subject = "alice", .names = "DNS:a.example,email:alice@example", .issuer = &vault().authority()});
        const auto subject = certificate_of(alice).subject_der();
        std::string said;
        std::string found;
        SUBCASE("an address") {
            said = found = "alice@example";
        }
        SUBCASE("a distinguished name") {
            said = found = "CN=alice";
        }
        SUBCASE("the same in DER") {
            said.assign(subject.begin(), subject.end());
            found = "CN=alice";
        }
        SUBCASE("somebody of that realm") {
            said = "@example";
            found = "a.example";
        }
        Begun<TwoEnds> begun(
            [&](Connection& a, Connection& z) {
                a.eap_rules.identity = said;
                z.remote_id = {};
            },
            alice);
        begun.ends.settle();
        begun.ends.check_up();
        CHECK(wire::print(begun.ends.z.sa()->peer_id) == found);
    }

    TEST_CASE("what somebody says to be in EAP has to be expected, too") {
        std::string said = "other.example";
        SUBCASE("another name") {}
        SUBCASE("no name at all") {
            said = "no name";
        }
        Begun<TwoEnds> begun([&](Connection& a, Connection&) { a.eap_rules.identity = said; });
        begun.ends.settle();
        begun.check_refused("eap-refused", "peer-identity");
    }

    TEST_CASE("octets that were changed on the way") {
        Begun<TwoEnds> begun;
        begun.until_tls();
        SUBCASE("of TLS") {
            begun.deliver(2);
            begun.ends.tamper(begun.ends.a,
                              [](Payloads& all) { find_in<wire::EapPayload>(all)->packet.back() ^= 1U; });
            begun.ends.settle();
            begun.check_refused("eap-tls-failed", "eap-tls-failed");  // z says it in an alert
        }
        SUBCASE("of the proof") {
            begun.until_proof();
            begun.ends.tamper(begun.ends.a, [](Payloads& all) { find_in<wire::AuthPayload>(all)->data.at(0) ^= 1U; });
            begun.ends.settle();
            begun.check_refused("auth-refused", "auth-failed");
        }
        SUBCASE("of the other proof") {
            begun.until_proof();
            begun.deliver(1);
            begun.ends.tamper(begun.ends.z, [](Payloads& all) { find_in<wire::AuthPayload>(all)->data.at(0) ^= 1U; });
            begun.ends.settle();
            begun.check_refused("auth-failed", "auth-refused");
        }
    }

    // RFC 5216 section 2.1.3: whoever hears an alert answers it, and whoever sends one waits for the answer.
    TEST_CASE("where TLS fails, at either end, the server ends EAP, and both say why") {
        const auto eap_of = [](Begun<TwoEnds>& begun, const End& sender) {
            const Payloads all = payloads_of(begun.ends, sender);
            const auto* payload = find<wire::EapPayload>(all);
            REQUIRE(payload != nullptr);
            return eap::parse(payload->packet).value();
        };
        const auto changed = [](Payloads& all) { find_in<wire::EapPayload>(all)->packet.back() ^= 1U; };
        for (const bool at_server : {true, false}) {
            for (const bool lost : {false, true}) {
                CAPTURE(at_server);
                CAPTURE(lost);
                Begun<TwoEnds> begun;
                TwoEnds& ends = begun.ends;
                begun.until_tls();
                begun.deliver(at_server ? 2 : 1);
                ends.tamper(at_server ? ends.a : ends.z, changed);
                begun.deliver(1);
                CHECK(eap_of(begun, at_server ? ends.z : ends.a).data.size() > 1);
                begun.deliver(at_server ? 1 : 0);
                CHECK((eap_of(begun, ends.a).data == wire::Octets{0}) == at_server);
                CHECK(ends.a.count(Report::Kind::failed) == 0);
                CHECK(ends.a.standing() == 1);
                begun.deliver(1);
                CHECK(eap_of(begun, ends.z).code == eap::Code::failure);
                if (lost) {
                    ends.drop();
                    ends.pass(seconds(2));
                }
                ends.settle();
                begun.check_refused("eap-tls-failed", "eap-tls-failed");
                CHECK(ends.a.count(Report::Kind::failed) == 1);
                CHECK(ends.z.count(Report::Kind::refused) == 1);
            }
        }
    }

    TEST_CASE("a peer whose TLS has failed") {
        Begun<TwoEnds> begun;
        begun.until_tls();
        begun.deliver(1);
        begun.ends.tamper(begun.ends.z, [](Payloads& all) { find_in<wire::EapPayload>(all)->packet.back() ^= 1U; });
        begun.deliver(1);
        SUBCASE("does not wait for the server's last word without an end") {
            begun.ends.pass_silently(kEapPatience);
            CHECK(begun.ends.a.last_reason() == "eap-tls-failed");
            CHECK(begun.ends.a.reports.back().error.sentence.contains("TLS did not come about"));
        }
        SUBCASE("and is succeeded by another process, still knows that it has") {
            begun.ends.a.rewrite();
            begun.ends.settle();
            begun.check_refused("eap-tls-failed", "eap-tls-failed");
        }
        SUBCASE("does not listen to a server that would go on") {
            begun.ends.drop();
            Toolbox tools;
            const Sa& z = *begun.ends.z.sa();
            IvCounter iv{.epoch = 99, .next = 0};
            const wire::Header header{.initiator_spi = z.initiator_spi,
                                      .responder_spi = z.responder_spi,
                                      .exchange = wire::ExchangeType::ike_auth,
                                      .from_initiator = false,
                                      .is_response = true,
                                      .message_id = begun.ends.a.sa()->window.outstanding->id};
            const auto sealed = seal_message(tools, z.suite, z.sending(), iv, header,
                                             {wire::EapPayload{eap::emit({eap::Code::success, 3})}}, {});
            begun.ends.event(begun.ends.a,
                             DatagramReceived{begun.ends.a.address, begun.ends.z.address, sealed.value().front()});
            CHECK(begun.ends.a.last_reason() == "eap-tls-failed");
            CHECK(begun.ends.a.sa()->state == State::closing);
        }
    }

    TEST_CASE("a peer that sends one fragment after the other is left") {
        Begun<TwoEnds> begun;
        begun.until_tls();
        TwoEnds& ends = begun.ends;
        wire::Header header = wire::parse(ends.wire.front().bytes)->header;
        Toolbox tools;
        IvCounter iv{.epoch = 99, .next = 0};
        unsigned rounds = 1;  // the identity
        while (ends.z.standing() > 0 && rounds <= 2 * kMostEapRounds) {
            ++rounds;
            const Sa& a = *ends.a.sa();
            const auto& server = std::get<eap::Server>(ends.z.sa()->negotiation->eap->side);
            const eap::Packet fragment{eap::Code::response, server.id, eap::Type::tls, {0x40, 0x16}};
            const auto sealed =
                seal_message(tools, a.suite, a.sending(), iv, header, {wire::EapPayload{eap::emit(fragment)}}, {});
            ends.event(ends.z, DatagramReceived{ends.z.address, ends.a.address, sealed.value().front()});
            ++header.message_id.value;
        }
        CHECK(begun.ends.z.last_reason() == "eap-rounds");
        CHECK(rounds == kMostEapRounds + 1);
    }

    TEST_CASE("each message may be lost, and each answer") {
        for (int lost = 0;; ++lost) {
            CAPTURE(lost);
            Begun<TwoEnds> begun;
            int delivered = 0;
            while (delivered < lost && begun.ends.deliver()) {
                ++delivered;
            }
            if (begun.ends.wire.empty()) {
                CHECK(lost == 14);
                break;
            }
            begun.ends.drop();
            begun.ends.pass(seconds(3));
            begun.ends.check_up();
        }
    }

    TEST_CASE(
        "while TLS is at work, a request that is repeated is not looked at, and one that is over is not answered") {
        Begun<TwoEnds> begun;
        begun.until_tls();
        begun.ends.z.holds_errands = true;
        const auto request = begun.ends.wire.front();
        begun.deliver(1);
        REQUIRE(begun.ends.z.errands.size() == 1);
        begun.ends.event(begun.ends.z, DatagramReceived{request.to, request.from, request.bytes});
        CHECK(begun.ends.z.errands.size() == 1);
        CHECK(begun.ends.wire.empty());
        const Event answer = begun.ends.z.answer(begun.ends.z.errands.front());
        SUBCASE("it is answered once") {
            begun.ends.z.holds_errands = false;
            begun.ends.event(begun.ends.z, answer);
            CHECK(begun.ends.wire.size() == 1);
            begun.ends.event(begun.ends.z, answer);
            CHECK(begun.ends.wire.size() == 1);
            begun.ends.settle();
            begun.ends.check_up();
        }
        SUBCASE("nobody waits for it any more") {
            begun.ends.pass_silently(kEapPatience + seconds(1));
            CHECK(begun.ends.z.last_reason() == "eap-timeout");
            begun.ends.event(begun.ends.z, answer);
            CHECK(begun.ends.z.standing() == 0);
        }
        SUBCASE("it is closed meanwhile") {
            begun.ends.event(begun.ends.a, Terminate{"a-z"});
            CHECK(begun.ends.a.standing() == 0);
        }
    }
}

TEST_SUITE("exchange: EAP alone") {
    TEST_CASE("both prove themselves by EAP, and the responder shows nothing before it") {
        Begun<TwoEnds> begun(alone);
        begun.deliver(2);
        CHECK(find_notify(payloads_of(begun.ends, begun.ends.a), wire::NotifyType::eap_only_authentication) !=
              nullptr);
        begun.deliver(1);
        const Payloads first = payloads_of(begun.ends, begun.ends.z);
        CHECK(find<wire::AuthPayload>(first) == nullptr);
        CHECK(find<wire::CertificatePayload>(first) == nullptr);
        CHECK(find<wire::EapPayload>(first) != nullptr);
        begun.ends.settle();
        begun.ends.check_up();
        CHECK(wire::print(begun.ends.a.sa()->peer_id) == "z.example");
    }

    TEST_CASE("where the responder would rather sign, its signature is checked") {
        Begun<TwoEnds> begun([](Connection& a, Connection& z) {
            a.eap_only = true;
            SUBCASE("and good") {}
            SUBCASE("and of somebody else's") {
                z.certificate.chain = {certificate_of(vault().leaf("b.example", KeyType::p256)).der()};
            }
        });
        begun.deliver(3);
        CHECK(find<wire::AuthPayload>(payloads_of(begun.ends, begun.ends.z)) != nullptr);
        const bool good = begun.ends.z.connections.front()->certificate.chain.front() ==
                          certificate_of(vault().leaf("z.example", KeyType::p256)).der();
        begun.ends.settle();
        if (good) {
            begun.ends.check_up();
        } else {
            begun.check_refused("certificate-identity", "auth-refused");
        }
    }

    TEST_CASE("who did not ask for it gets a signature, and takes nothing else") {
        Begun<TwoEnds> begun([](Connection&, Connection& z) { z.eap_only = true; });
        begun.deliver(3);
        CHECK(find<wire::AuthPayload>(payloads_of(begun.ends, begun.ends.z)) != nullptr);
        SUBCASE("it is there") {
            begun.ends.settle();
            begun.ends.check_up();
        }
        SUBCASE("it was taken out") {
            begun.ends.tamper(begun.ends.z, [](Payloads& all) {
                std::erase_if(all, [](const auto& each) { return std::holds_alternative<wire::AuthPayload>(each); });
            });
            begun.ends.settle();
            begun.check_refused("auth-method", "auth-refused");
        }
    }

    TEST_CASE("somebody else in between has no key to prove") {
        Begun<TwoEnds> begun(alone);
        begun.until_proof();
        begun.deliver(1);
        begun.ends.tamper(begun.ends.z, [](Payloads& all) { find_in<wire::AuthPayload>(all)->data.at(0) ^= 1U; });
        begun.ends.settle();
        begun.check_refused("auth-failed", "auth-refused");
    }

    TEST_CASE("a responder that is another one than expected") {
        Begun<TwoEnds> begun([](Connection& a, Connection& z) {
            alone(a, z);
            a.remote_id = *IdentityPattern::parse("*.example");
            z.local_id = *parse_identity("other.example");
        });
        begun.ends.settle();
        begun.check_refused("certificate-identity", "auth-refused");
    }
}
