#include <doctest/doctest.h>

#include <array>
#include <utility>

#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::End;
using keysluice::ike::testing::find_in;
using keysluice::ike::testing::RewrittenEnds;
using keysluice::ike::testing::TwoEnds;

TEST_SUITE("exchange: establishing") {
    TEST_CASE_TEMPLATE("four messages make an IKE SA and a CHILD SA", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure();
        ends.initiate(ends.a);
        REQUIRE(ends.wire.size() == 1);  // a sends IKE_SA_INIT
        ends.deliver();                  // z answers it, and is half-open
        CHECK(ends.z.sa()->state == State::half_open);
        ends.deliver();  // a reads the answer, sends IKE_AUTH
        CHECK(ends.a.sa()->state == State::auth_sent);
        ends.deliver();  // z knows a, installs, answers
        CHECK(ends.z.sa()->state == State::established);
        ends.deliver();  // a knows z
        CHECK(ends.wire.empty());
        ends.check_up();
        CHECK(ends.a.count(Report::Kind::child_established) == 1);
        CHECK(ends.z.count(Report::Kind::child_established) == 1);
    }

    TEST_CASE_TEMPLATE("a lost packet is sent again, the same octets", Ends, TwoEnds, RewrittenEnds) {
        for (int lost = 0; lost < 4; ++lost) {
            CAPTURE(lost);
            Ends ends;
            ends.configure();
            ends.initiate(ends.a);
            for (int each = 0; each < lost; ++each) {
                ends.deliver();
            }
            const wire::Octets first = ends.wire.front().bytes;
            ends.drop();
            ends.now = ends.a.endpoint->next_deadline();
            ends.event(ends.a, TimePassed{});
            if (lost % 2 == 0) {
                CHECK(ends.wire.front().bytes == first);  // a request of a's
            } else {
                ends.deliver();
                CHECK(ends.wire.front().bytes == first);  // an answer of z's, asked for again
            }
            ends.settle();
            ends.check_up();
        }
    }

    TEST_CASE_TEMPLATE("every packet arrives twice", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure();
        ends.initiate(ends.a);
        while (!ends.wire.empty()) {
            const auto packet = ends.wire.front();
            ends.deliver();
            auto rest = std::exchange(ends.wire, {});
            ends.event(packet.to.address == ends.a.address.address ? ends.a : ends.z,
                       DatagramReceived{packet.to, packet.from, packet.bytes});
            ends.wire.insert(ends.wire.begin(), rest.begin(), rest.end());
        }
        ends.check_up();
    }

    TEST_CASE("the responder asks for a cookie, another group, and a cookie again") {
        // The secret of cookies goes with the responder's process, so of the two only the initiator is replaced.
        for (const bool replaced : {false, true}) {
            CAPTURE(replaced);
            Settings guarded;
            guarded.cookie_after = 0;
            TwoEnds ends({}, guarded);
            ends.configure([](Connection& of_a, Connection& of_z) {
                of_a.proposals = {*parse_ike_proposal("aes128gcm16-prfsha256-ecp256-x25519", {})};
                of_z.proposals = {*parse_ike_proposal("aes128gcm16-prfsha256-x25519", {})};
            });
            const auto deliver = [&] {
                if (replaced) {
                    ends.a.rewrite();
                }
                return ends.deliver();
            };
            ends.initiate(ends.a);
            deliver();                              // z wants a cookie
            CHECK(ends.z.endpoint->sas().empty());  // … and keeps nothing
            deliver();                              // a sends it back
            deliver();                              // z wants X25519
            CHECK(ends.z.endpoint->sas().empty());
            while (deliver()) {
            }
            ends.check_up();
            CHECK(ends.a.sa()->suite.group == GroupId::x25519);
        }
    }

    TEST_CASE("a group that was not offered is not fallen back to") {
        TwoEnds ends;
        ends.configure([](Connection&, Connection& of_z) {
            of_z.proposals = {*parse_ike_proposal("aes128gcm16-prfsha256-ecp256", {})};
        });
        ends.initiate(ends.a);
        ends.pass(std::chrono::seconds(3));
        CHECK(ends.a.standing() == 0);
        CHECK(ends.a.last_reason() == "no-proposal-chosen");
        CHECK(ends.z.last_reason() == "no-proposal-chosen");
    }

    TEST_CASE_TEMPLATE("a wrong pre-shared key is named on both ends", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure([](Connection& of_a, Connection&) { of_a.keys.set_for_all(SharedKey(as_bytes("wrong"))); });
        ends.initiate(ends.a);
        ends.settle();
        CHECK(ends.z.last_reason() == "auth-failed");
        CHECK(ends.a.last_reason() == "auth-refused");
        CHECK(ends.a.standing() == 0);
        CHECK(ends.z.standing() == 0);
        CHECK(ends.a.kernel.empty());
        CHECK(ends.z.kernel.empty());
    }

    TEST_CASE_TEMPLATE("a responder with another identity is refused, and told", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure([](Connection&, Connection& of_z) { of_z.local_id = *parse_identity("y.example"); });
        ends.initiate(ends.a);
        ends.settle();
        CHECK(ends.a.standing() == 0);
        CHECK(ends.z.standing() == 0);
        CHECK(ends.z.last_reason() == "no-connection");
        CHECK(ends.a.last_reason() == "auth-refused");
    }

    TEST_CASE_TEMPLATE("traffic selectors are narrowed to what both want", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure([](Connection& of_a, Connection& of_z) {
            of_a.children[0].remote = {*parse_selector("10.0.0.0/8")};
            of_z.children[0].remote = {*parse_selector("10.1.7.0/24/tcp")};
        });
        ends.initiate(ends.a);
        ends.settle();
        ends.check_up();
        const auto& spec = ends.a.sa()->children.front().spec;
        CHECK(spec.local_selectors == TrafficSelectors{*parse_selector("10.1.7.0/24/tcp")});
        CHECK(spec.remote_selectors == TrafficSelectors{*parse_selector("10.2.0.0/16")});
    }

    // RFC 7296 section 2.9: what the packet is about comes first, and the responder's choice has it.
    TEST_CASE_TEMPLATE("of several children, the responder takes the one for the packet that waits", Ends, TwoEnds,
                       RewrittenEnds) {
        for (const bool in_auth : {true, false}) {
            CAPTURE(in_auth);
            Ends ends;
            ends.configure([](Connection& of_a, Connection& of_z) {
                of_a.children.push_back(of_a.children.front());
                of_a.children.back().name = "wide";
                of_a.children.back().remote = {*parse_selector("10.0.0.0/8")};
                of_z.children.push_back(of_z.children.front());
                of_z.children.back().name = "other";
                of_z.children.back().local = {*parse_selector("10.7.0.0/16")};
            });
            if (!in_auth) {
                ends.initiate(ends.a, "net");
                ends.settle();
            }
            ends.event(ends.a, Initiate{.connection = "a-z",
                                        .child = "wide",
                                        .local = ends.a.address,
                                        .remote = ends.z.address,
                                        .packet = PacketSelectors{*parse_selector("10.1.0.5/tcp/4711"),
                                                                  *parse_selector("10.7.0.9/tcp/443")}});
            ends.settle();
            ends.check_up(in_auth ? 1 : 2);
            const auto& spec = ends.a.sa()->children.back().spec;
            CHECK(spec.local_selectors == TrafficSelectors{*parse_selector("10.1.0.0/16")});
            CHECK(spec.remote_selectors == TrafficSelectors{*parse_selector("10.7.0.0/16")});
            CHECK(ends.z.sa()->children.back().spec.child == "other");
        }
    }

    TEST_CASE_TEMPLATE("a packet that the child is not for is not asked for", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure([](Connection& of_a, Connection&) {
            of_a.children[0].remote = {*parse_selector("10.2.0.0/24"), *parse_selector("10.2.4.0/24")};
        });
        ends.event(ends.a,
                   Initiate{.connection = "a-z",
                            .child = "net",
                            .local = ends.a.address,
                            .remote = ends.z.address,
                            .packet = PacketSelectors{*parse_selector("10.1.0.5"), *parse_selector("10.2.9.9")}});
        ends.settle();
        ends.check_up();
        CHECK(ends.a.sa()->children.front().spec.remote_selectors ==
              TrafficSelectors{*parse_selector("10.2.0.0/24"), *parse_selector("10.2.4.0/24")});
    }

    TEST_CASE_TEMPLATE("selectors that do not meet leave the IKE SA without a child", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure(
            [](Connection&, Connection& of_z) { of_z.children[0].remote = {*parse_selector("10.9.0.0/16")}; });
        ends.initiate(ends.a);
        ends.settle();
        ends.check_up(0);
        CHECK(ends.a.last_reason() == "ts-unacceptable");
        CHECK(ends.z.last_reason() == "ts-unacceptable");
    }

    TEST_CASE_TEMPLATE("a kernel that refuses the CHILD SA leaves nothing behind", Ends, TwoEnds, RewrittenEnds) {
        SUBCASE("at the responder") {
            Ends ends;
            ends.configure();
            ends.z.kernel.refuses = true;
            ends.initiate(ends.a);
            ends.settle();
            ends.check_up(0);
            CHECK(ends.a.kernel.empty());
            CHECK(ends.z.last_reason() == "kernel-refused");
        }
        SUBCASE("at the initiator") {
            Ends ends;
            ends.configure();
            ends.a.kernel.refuses = true;
            ends.initiate(ends.a);
            ends.settle();
            ends.check_up(0);
            CHECK(ends.z.kernel.empty());
            CHECK(ends.a.last_reason() == "kernel-refused");
        }
    }

    TEST_CASE_TEMPLATE("a second child gets its CREATE_CHILD_SA, with a group of its own", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        const auto second = [](Connection& connection) {
            ChildRule rule = connection.children[0];
            rule.name = "voice";
            rule.local.front().protocol = 17;
            rule.remote.front().protocol = 17;
            rule.proposals = {*parse_esp_proposal("aes256gcm16-ecp256", {})};
            connection.children.push_back(std::move(rule));
        };
        ends.configure([&](Connection& of_a, Connection& of_z) {
            of_a.children[0].local.front().protocol = 6;
            of_a.children[0].remote.front().protocol = 6;
            of_z.children[0].local.front().protocol = 6;
            of_z.children[0].remote.front().protocol = 6;
            second(of_a);
            second(of_z);
        });
        ends.initiate(ends.a);
        ends.settle();
        ends.check_up(2);
        CHECK(ends.a.sa()->children[1].spec.suite.group == GroupId::ecp256);
    }

    TEST_CASE_TEMPLATE("nobody there: the attempt ends, and names the peer", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure();
        ends.initiate(ends.a);
        ends.pass_silently(std::chrono::minutes(3));
        CHECK(ends.a.standing() == 0);
        CHECK(ends.a.last_reason() == "peer-silent");
    }

    TEST_CASE_TEMPLATE("a half-open SA does not stay", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure();
        ends.initiate(ends.a);
        ends.deliver();
        CHECK(ends.z.endpoint->sas().size() == 1);
        ends.pass_silently(std::chrono::minutes(3));
        CHECK(ends.z.endpoint->sas().empty());
        CHECK(ends.a.endpoint->sas().empty());
    }

    TEST_CASE_TEMPLATE("half-open SAs of one address are limited", Ends, TwoEnds, RewrittenEnds) {
        Settings tight;
        tight.half_open_per_address = 3;
        Ends ends({}, tight);
        ends.configure();
        for (int each = 0; each < 10; ++each) {
            ends.initiate(ends.a);  // the first request
            const auto packet = ends.wire.front();
            ends.wire.clear();
            wire::Octets other = packet.bytes;
            other[0] = static_cast<std::uint8_t>(each);  // … of another IKE SA
            ends.event(ends.z, DatagramReceived{packet.to, packet.from, other});
            ends.wire.clear();
            ends.event(ends.a, Terminate{"a-z"});
        }
        CHECK(ends.z.endpoint->sas().size() == 3);
    }

    // RFC 7296 section 3.5: "RESERVED - MUST be sent as zero; MUST be ignored on receipt." Section 2.15:
    // "RestOfInitIDPayload = IDType | RESERVED | InitIDData"
    TEST_CASE_TEMPLATE("reserved octets of an identity say nothing, and AUTH covers them", Ends, TwoEnds,
                       RewrittenEnds) {
        for (const bool of_initiator : {true, false}) {
            CAPTURE(of_initiator);
            Ends ends;
            ends.configure();
            ends.initiate(ends.a);
            ends.deliver();
            const Sa half_open = [&] {
                Sa copy;
                const Sa& sa = *ends.z.sa();
                copy.negotiation = std::make_unique<Negotiation>();
                copy.negotiation->own_first_message = sa.negotiation->own_first_message;
                copy.negotiation->peer_nonce = sa.negotiation->peer_nonce;
                copy.keys.proof = ProofKeys{duplicate(sa.keys.proof->initiator), duplicate(sa.keys.proof->responder)};
                return copy;
            }();
            ends.deliver();
            if (!of_initiator) {
                ends.deliver();
            }
            End& sender = of_initiator ? ends.a : ends.z;
            ends.tamper(sender, [&](Payloads& all) {
                const Sa& sa = of_initiator ? *ends.a.sa() : half_open;
                const auto& id =
                    of_initiator ? ends.a.connections.front()->local_id : ends.z.connections.front()->local_id;
                Writer body;
                body.be(static_cast<std::uint8_t>(id.type))
                    .be(std::uint8_t{1})
                    .be(std::uint16_t{0x0203})
                    .raw(id.data);
                Toolbox tools;
                const auto code =
                    shared_key_auth(tools, PrfId::hmac_sha2_256, as_bytes("correct horse battery staple"),
                                    sa.negotiation->own_first_message, sa.negotiation->peer_nonce,
                                    of_initiator ? sa.keys.proof->initiator : sa.keys.proof->responder, body.view());
                REQUIRE(code);
                const Bytes octets = code->expose();
                find_in<wire::AuthPayload>(all)->data = {octets.begin(), octets.end()};
                const auto type = of_initiator ? wire::PayloadType::id_initiator : wire::PayloadType::id_responder;
                for (wire::Payload& each : all) {
                    const bool is_id = of_initiator ? std::holds_alternative<wire::IdInitiatorPayload>(each)
                                                    : std::holds_alternative<wire::IdResponderPayload>(each);
                    if (is_id) {
                        each = wire::UnknownPayload{
                            .type = type, .critical = false, .data = {body.view().begin(), body.view().end()}};
                    }
                }
            });
            ends.settle();
            ends.check_up();
        }
    }

    TEST_CASE_TEMPLATE("INITIAL_CONTACT clears what a peer forgot, in whatever letters it writes its name", Ends,
                       TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure();
        ends.initiate(ends.a);
        ends.settle();
        // a loses its memory: another Endpoint at its address.
        Ends reborn;
        reborn.configure([](Connection& of_a, Connection&) { of_a.local_id = *parse_identity("A.Example"); });
        std::array<std::uint8_t, 64> skipped{};
        reborn.a.random.fill(skipped);  // so that its names are others
        reborn.initiate(reborn.a);
        while (!reborn.wire.empty() || !ends.wire.empty()) {
            if (!reborn.wire.empty()) {
                const auto packet = reborn.wire.front();
                reborn.wire.pop_front();
                ends.event(ends.z, DatagramReceived{packet.to, packet.from, packet.bytes});
            } else {
                const auto packet = ends.wire.front();
                ends.wire.pop_front();
                reborn.event(reborn.a, DatagramReceived{packet.to, packet.from, packet.bytes});
            }
        }
        CHECK(ends.z.standing() == 1);
        CHECK(ends.z.kernel.inbound().size() == 1);
        CHECK(reborn.a.sa()->initiator_spi == ends.z.sa()->initiator_spi);
    }
}
