#include <doctest/doctest.h>

#include <array>

#include "tests/support/certified_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using namespace keysluice::ike::testing;
using std::chrono::seconds;

namespace {

using Change = std::function<void(Connection& of_a, Connection& of_z)>;

/// Both ends with certificates of one authority, unless `change` has it otherwise.
void configure(TwoEnds& ends, KeyType of_a, KeyType of_z, const Change& change = {}) {
    ends.configure([&](Connection& a, Connection& z) {
        show(ends.a, a, {&vault().leaf("a.example", of_a)});
        show(ends.z, z, {&vault().leaf("z.example", of_z)});
        believe(a, vault().authority());
        believe(z, vault().authority());
        if (change) {
            change(a, z);
        }
    });
}

void check_refused(const TwoEnds& ends, std::string_view reason_at_a, std::string_view reason_at_z) {
    CHECK(ends.a.last_reason() == reason_at_a);
    CHECK(ends.z.last_reason() == reason_at_z);
    CHECK(ends.a.standing() == 0);
    CHECK(ends.z.standing() == 0);
    CHECK(ends.a.kernel.empty());
    CHECK(ends.z.kernel.empty());
}

constexpr std::array kKeyTypes{KeyType::rsa2048, KeyType::p256,    KeyType::p384,
                               KeyType::p521,    KeyType::ed25519, KeyType::ed448};

}  // namespace

TEST_SUITE("exchange: certificates") {
    TEST_CASE_TEMPLATE("every kind of key proves an identity, in both roles", Ends, TwoEnds, RewrittenEnds) {
        for (std::size_t each = 0; each < kKeyTypes.size(); ++each) {
            CAPTURE(each);
            Ends ends;
            configure(ends, kKeyTypes.at(each), kKeyTypes.at((each + 1) % kKeyTypes.size()));
            ends.initiate(ends.a);
            ends.settle();
            ends.check_up();
        }
    }

    TEST_CASE_TEMPLATE("one end has a key, the other a certificate", Ends, TwoEnds, RewrittenEnds) {
        SUBCASE("the responder has the certificate") {
            Ends ends;
            ends.configure([&](Connection& of_a, Connection& of_z) {
                show(ends.z, of_z, {&vault().leaf("z.example", KeyType::p256)});
                believe(of_a, vault().authority());
            });
            ends.initiate(ends.a);
            ends.settle();
            ends.check_up();
        }
        SUBCASE("the initiator has the certificate") {
            Ends ends;
            ends.configure([&](Connection& of_a, Connection& of_z) {
                show(ends.a, of_a, {&vault().leaf("a.example", KeyType::p256)});
                believe(of_z, vault().authority());
            });
            ends.initiate(ends.a);
            ends.settle();
            ends.check_up();
        }
    }

    TEST_CASE_TEMPLATE("an intermediate authority vouches", Ends, TwoEnds, RewrittenEnds) {
        const Issued& middle = vault().make(
            "middle", {.subject = "middle", .names = "", .issuer = &vault().authority(), .authority = true});
        const Issued& leaf = vault().make("under middle", {.names = "DNS:a.example", .issuer = &middle});
        SUBCASE("and is sent along") {
            Ends ends;
            configure(ends, KeyType::p256, KeyType::p256,
                      [&](Connection& a, Connection&) { show(ends.a, a, {&leaf, &middle}); });
            ends.initiate(ends.a);
            ends.settle();
            ends.check_up();
        }
        SUBCASE("and is left out") {
            Ends ends;
            configure(ends, KeyType::p256, KeyType::p256,
                      [&](Connection& a, Connection&) { show(ends.a, a, {&leaf}); });
            ends.initiate(ends.a);
            ends.settle();
            check_refused(ends, "auth-refused", "certificate-untrusted");
        }
    }

    TEST_CASE_TEMPLATE("a certificate that does not do is refused, and both ends say why", Ends, TwoEnds,
                       RewrittenEnds) {
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
            Case{"certificate-weak", vault().leaf("a.example", KeyType::rsa1024)},
            Case{"certificate-purpose", vault().make("purpose", {.names = "DNS:a.example",
                                                                 .issuer = &vault().authority(),
                                                                 .key_usage = "keyAgreement"})},
        };
        for (const Case& each : cases) {
            CAPTURE(each.reason);
            Ends ends;
            configure(ends, KeyType::p256, KeyType::p256,
                      [&](Connection& a, Connection&) { show(ends.a, a, {&each.shown}); });
            SUBCASE("at the responder") {
                ends.initiate(ends.a);
                ends.settle();
                check_refused(ends, "auth-refused", each.reason);
            }
            SUBCASE("at the initiator") {
                ends.initiate(ends.z);
                ends.settle();
                check_refused(ends, "auth-refused", each.reason);
            }
        }
    }

    TEST_CASE_TEMPLATE("a revoked certificate is refused", Ends, TwoEnds, RewrittenEnds) {
        const Issued& leaf = vault().leaf("a.example", KeyType::p256);
        const auto list = vault().folder.revoke(vault().authority(), {&leaf});
        Ends ends;
        configure(ends, KeyType::p256, KeyType::p256,
                  [&](Connection&, Connection& z) { z.authorities = trust_in({&vault().authority()}, {list}); });
        ends.initiate(ends.a);
        ends.settle();
        check_refused(ends, "auth-refused", "certificate-revoked");
    }

    TEST_CASE_TEMPLATE("a signature of another key is refused", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        configure(ends, KeyType::p256, KeyType::p256);
        ends.a.signing_keys.begin()->second = vault().leaf("b.example", KeyType::p256).key;
        ends.initiate(ends.a);
        ends.settle();
        check_refused(ends, "auth-refused", "auth-failed");
    }

    TEST_CASE_TEMPLATE("a peer that proves itself otherwise than expected is refused", Ends, TwoEnds, RewrittenEnds) {
        SUBCASE("the responder expects a certificate") {
            Ends ends;
            ends.configure([&](Connection&, Connection& of_z) { believe(of_z, vault().authority()); });
            ends.initiate(ends.a);
            ends.settle();
            check_refused(ends, "auth-refused", "auth-method");
        }
        SUBCASE("the initiator does") {
            Ends ends;
            ends.configure([&](Connection& of_a, Connection&) { believe(of_a, vault().authority()); });
            ends.initiate(ends.a);
            ends.settle();
            check_refused(ends, "auth-method", "auth-refused");
        }
    }

    TEST_CASE_TEMPLATE("without an engine there is no signature", Ends, TwoEnds, RewrittenEnds) {
        SUBCASE("of the initiator") {
            Ends ends;
            configure(ends, KeyType::p256, KeyType::p256);
            ends.a.signing_keys.clear();
            ends.initiate(ends.a);
            ends.settle();
            CHECK(ends.a.last_reason() == "no-engine");
            CHECK(ends.a.standing() == 0);
        }
        SUBCASE("of the responder") {
            Ends ends;
            configure(ends, KeyType::p256, KeyType::p256);
            ends.z.signing_keys.clear();
            ends.initiate(ends.a);
            ends.settle();
            check_refused(ends, "auth-refused", "no-engine");
        }
    }

    TEST_CASE("while a signature is made or checked, repetitions are ignored, and another process can take over") {
        TwoEnds ends;
        configure(ends, KeyType::p256, KeyType::ed25519);
        ends.a.holds_errands = true;
        ends.z.holds_errands = true;
        const auto answer_late = [&](End& end, State state) {
            REQUIRE(end.sa() != nullptr);
            CHECK(end.sa()->state == state);
            REQUIRE(end.errands.size() == 1);
            const Event late = end.answer(end.errands.front());
            end.errands.clear();
            end.rewrite();
            ends.event(end, late);  // to the process that is gone
            CHECK(end.sa()->state == state);
            CHECK(end.endpoint->next_deadline() <= ends.now);
            ends.event(end, TimePassed{});  // the new process asks anew
            REQUIRE(end.errands.size() == 1);
            ends.event(end, TimePassed{});  // and once
            REQUIRE(end.errands.size() == 1);
            const Event answer = end.answer(end.errands.front());
            end.errands.clear();
            ends.event(end, answer);
            ends.event(end, answer);  // twice: ignored
        };
        ends.initiate(ends.a);
        ends.deliver();
        ends.deliver();
        answer_late(ends.a, State::signing);
        REQUIRE(ends.wire.size() == 1);
        const Packet request = ends.wire.front();
        ends.deliver();
        ends.event(ends.z, DatagramReceived{request.to, request.from, request.bytes});
        CHECK(ends.wire.empty());
        answer_late(ends.z, State::verifying);
        ends.event(ends.z, DatagramReceived{request.to, request.from, request.bytes});
        CHECK(ends.wire.empty());
        answer_late(ends.z, State::signing);
        REQUIRE(ends.wire.size() == 1);
        ends.deliver();
        CHECK(ends.a.errands.size() == 1);
        answer_late(ends.a, State::verifying);
        ends.check_up();
    }

    TEST_CASE("nobody answers: it ends, and says so") {
        const auto silent = [](End& end) { end.holds_errands = true; };
        SUBCASE("the initiator's signature") {
            TwoEnds ends;
            configure(ends, KeyType::p256, KeyType::p256);
            silent(ends.a);
            ends.initiate(ends.a);
            ends.pass(seconds(60));
            CHECK(ends.a.last_reason() == "auth-timeout");
            CHECK(ends.z.last_reason() == "half-open-timeout");
            CHECK(ends.a.standing() == 0);
            CHECK(ends.z.standing() == 0);
        }
        SUBCASE("the responder's check") {
            TwoEnds ends;
            configure(ends, KeyType::p256, KeyType::p256);
            silent(ends.z);
            ends.initiate(ends.a);
            ends.pass(seconds(60));
            check_refused(ends, "auth-refused", "auth-timeout");
        }
        SUBCASE("the initiator's check") {
            TwoEnds ends;
            ends.configure([&](Connection& of_a, Connection& of_z) {
                show(ends.z, of_z, {&vault().leaf("z.example", KeyType::p256)});
                believe(of_a, vault().authority());
            });
            silent(ends.a);
            ends.initiate(ends.a);
            ends.pass(seconds(60));
            check_refused(ends, "auth-timeout", "auth-refused");
        }
    }

    TEST_CASE_TEMPLATE("closed while it waits", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        configure(ends, KeyType::p256, KeyType::p256);
        ends.a.holds_errands = true;
        ends.initiate(ends.a);
        ends.deliver();
        ends.deliver();
        CHECK(ends.a.sa()->state == State::signing);
        ends.event(ends.a, Terminate{"a-z"});
        CHECK(ends.a.standing() == 0);
        const Event late = ends.a.answer(ends.a.errands.front());
        ends.event(ends.a, late);
        CHECK(ends.a.standing() == 0);
    }

    // A process that takes over has no incomplete messages, so these two are not for RewrittenEnds.
    TEST_CASE("a chain of large certificates travels in fragments") {
        std::string names = "DNS:a.example";
        for (int each = 0; each < 120; ++each) {
            names += ",DNS:a-name-that-nobody-has-" + std::to_string(each) + ".example";
        }
        const Issued& leaf =
            vault().make("large", {.names = names, .key = KeyType::rsa2048, .issuer = &vault().authority()});
        CHECK(certificate_of(leaf).der().size() > 4096);
        TwoEnds ends;
        configure(ends, KeyType::p256, KeyType::p256, [&](Connection& a, Connection&) { show(ends.a, a, {&leaf}); });
        ends.initiate(ends.a);
        ends.deliver();
        ends.deliver();
        CHECK(ends.wire.size() >= 4);
        ends.settle();
        ends.check_up();
    }

    TEST_CASE("a chain that is too long is refused") {
        TwoEnds ends;
        configure(ends, KeyType::p256, KeyType::p256,
                  [&](Connection& a, Connection&) { a.certificate.chain.resize(11, a.certificate.chain.front()); });
        ends.initiate(ends.a);
        ends.settle();
        check_refused(ends, "auth-refused", "certificate-chain-long");
    }

    TEST_CASE_TEMPLATE("a distinguished name is the certificate's subject", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        configure(ends, KeyType::p256, KeyType::p256, [&](Connection& a, Connection& z) {
            a.local_id = {.type = wire::IdType::dn,
                          .data = certificate_of(vault().leaf("a.example", KeyType::p256)).subject_der()};
            z.remote_id = *IdentityPattern::parse("CN=A.example");  // another kind of string, and another case
        });
        ends.initiate(ends.a);
        ends.settle();
        ends.check_up();
    }
}
