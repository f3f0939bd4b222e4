#include "eap/tls.hpp"

#include <doctest/doctest.h>

#include <string>

#include "eap/peer.hpp"
#include "eap/server.hpp"
#include "tests/support/ike_end.hpp"

using namespace keysluice;
using namespace keysluice::eap;
using keysluice::ike::testing::SeededRandom;

namespace {

Octets text(std::string_view said) {
    return {as_bytes(said).begin(), as_bytes(said).end()};
}

/// A peer and a server that have come to the first turn of TLS, which the test makes up.
struct Handshake {
    Handshake() {
        rules.methods = {Type::tls};
        rules.identity = "alice.example";
        packet = begin(random, rules, server);
        answer();
        CHECK(reply().kind == Reply::Kind::request);
    }
    Answer answer() {
        Answer made = on_packet(legacy, random, rules, peer, packet).value();
        packet = made.packet;
        return made;
    }
    Reply reply() {
        Reply made = on_response(legacy, random, rules, server, packet);
        packet = made.packet;
        return made;
    }
    /// Each end's turn, fragments and all; what the other one heard.
    TlsTurn peer_says(const Octets& records, Msk msk = {}) {
        packet = on_tls(peer, {}, {.records = records, .msk = std::move(msk)}).value().packet;
        for (;;) {
            Reply made = reply();
            ++packets;
            if (made.kind != Reply::Kind::request) {
                CHECK(made.kind == Reply::Kind::handshake);
                return std::move(made.turn);
            }
            answer();
        }
    }
    TlsTurn server_says(const Octets& records, Msk msk = {}) {
        packet = on_tls(server, {.records = records, .msk = std::move(msk)}).packet;
        for (;;) {
            Answer made = answer();
            ++packets;
            if (made.kind != Answer::Kind::response) {
                CHECK(made.kind == Answer::Kind::handshake);
                return std::move(made.turn);
            }
            reply();
        }
    }
    /// A response of somebody else's making.
    Reply respond(Octets data) {
        return on_response(legacy, random, rules, server,
                           emit({Code::response, server.id, Type::tls, std::move(data)}));
    }
    std::string refused(Octets data) {
        const auto made =
            on_packet(legacy, random, rules, peer, emit({Code::request, 9, Type::tls, std::move(data)}));
        return made ? "" : std::string(made.error().reason);
    }

    crypto::LegacyAlgorithms legacy;
    SeededRandom random{7};
    Rules rules;
    Peer peer;
    Server server;
    Octets packet;
    int packets = 0;
};

Msk some_key() {
    return Msk(Octets(64, 7));
}

}  // namespace

TEST_SUITE("eap: TLS") {
    TEST_CASE("frames: to octets and back") {
        const TlsFrame all{.more = true, .start = true, .total = 0x01020304, .data = {5}};
        CHECK(emit_tls(all) == Octets{0xE0, 1, 2, 3, 4, 5});
        CHECK(parse_tls(emit_tls(all)).value() == all);
        CHECK(emit_tls({.total = {}}) == Octets{0});
        CHECK(parse_tls(Octets{0x1F, 8}).value() == TlsFrame{.total = {}, .data = {8}});  // reserved bits say nothing
        for (const Octets& cut : {Octets{}, Octets{0x80}, Octets{0x80, 0, 0, 1}}) {
            CHECK(parse_tls(cut).error().reason == "eap-malformed");
        }
    }

    TEST_CASE("turns: short ones in a packet, long ones in fragments that are acknowledged") {
        for (const std::size_t size : {std::size_t{1}, kTlsFragment, kTlsFragment + 1, kMostTlsOctets}) {
            CAPTURE(size);
            TlsTurns ours;
            TlsTurns theirs;
            const Octets records(size, 0x16);
            Octets frame = speak(ours, records);
            CHECK(parse_tls(frame)->total.has_value() == (size > kTlsFragment));
            std::size_t fragments = 1;
            auto heard = hear(theirs, parse_tls(frame).value());
            for (; heard && heard->answer; ++fragments) {
                CHECK(*heard->answer == Octets{0});
                frame = *hear(ours, parse_tls(*heard->answer).value())->answer;
                heard = hear(theirs, parse_tls(frame).value());
            }
            REQUIRE(heard);
            CHECK(heard->turn == records);
            CHECK(fragments == (size + kTlsFragment - 1) / kTlsFragment);
            CHECK(theirs.incoming.empty());
            CHECK_FALSE(theirs.total);
        }
    }

    TEST_CASE("turns that are not as they say, or longer than anybody needs") {
        TlsTurns turns;
        const auto reason = [&](const TlsFrame& frame) {
            const auto heard = hear(turns, frame);
            return heard ? "" : std::string(heard.error().reason);
        };
        SUBCASE("longer than allowed, and so announced") {
            CHECK(reason({.more = true, .total = kMostTlsOctets + 1, .data = {1}}) == "eap-malformed");
        }
        SUBCASE("longer than allowed, without a word") {
            CHECK(reason({.more = true, .total = {}, .data = Octets(kMostTlsOctets)}).empty());
            CHECK(reason({.more = true, .total = {}, .data = {1}}) == "eap-malformed");
        }
        SUBCASE("longer than announced") {
            CHECK(reason({.more = true, .total = 3, .data = {1, 2}}).empty());
            CHECK(reason({.total = {}, .data = {3, 4}}) == "eap-malformed");
        }
        SUBCASE("shorter than announced") {
            CHECK(reason({.more = true, .total = 3, .data = {1}}).empty());
            CHECK(reason({.total = {}, .data = {2}}) == "eap-malformed");
        }
        SUBCASE("announced twice: the same will do") {
            CHECK(reason({.more = true, .total = 3, .data = {1}}).empty());
            CHECK(reason({.more = true, .total = 3, .data = {2}}).empty());
            CHECK(reason({.total = 4, .data = {3}}) == "eap-malformed");
        }
        SUBCASE("a fragment without anything") {
            CHECK(reason({.more = true, .total = {}}) == "eap-malformed");
        }
        SUBCASE("before ours is over") {
            static_cast<void>(speak(turns, Octets(kTlsFragment + 1)));
            CHECK(reason({.total = {}, .data = {1}}) == "eap-malformed");
        }
    }

    TEST_CASE_FIXTURE(Handshake, "a conversation: the peer begins, the server has the last word, and both a key") {
        const Answer first = answer();
        REQUIRE(first.kind == Answer::Kind::handshake);
        CHECK(first.turn.begins);
        CHECK(first.turn.records.empty());
        const TlsTurn hello = peer_says(text("hello"));
        CHECK(hello.begins);
        CHECK(hello.records == text("hello"));
        const Octets certificates(3000, 7);
        const TlsTurn shown = server_says(certificates);
        CHECK_FALSE(shown.begins);
        CHECK(shown.records == certificates);
        CHECK(packets == 4);
        CHECK(peer_says(text("finished")).records == text("finished"));
        CHECK(server_says(text("finished too"), some_key()).records == text("finished too"));
        packet = on_tls(peer, {}, {.msk = some_key()}).value().packet;
        CHECK(parse(packet)->data == Octets{0});
        CHECK(reply().kind == Reply::Kind::success);
        CHECK(answer().kind == Answer::Kind::success);
        CHECK(server.identity == "alice.example");
        CHECK(server.msk.size() == 64);
    }

    TEST_CASE_FIXTURE(Handshake, "a server that refuses says so in an alert, or in no word") {
        answer();
        peer_says(text("hello"));
        SUBCASE("an alert") {
            const Reply told = on_tls(server, {.records = text("alert"), .why = {"eap-tls-failed", "no"}});
            CHECK(told.kind == Reply::Kind::request);
            CHECK(told.why.reason == "eap-tls-failed");
            CHECK(server.refused());
            packet = told.packet;
            CHECK(answer().turn.records == text("alert"));
            const Reply end = respond({0});
            CHECK(end.kind == Reply::Kind::failure);
            CHECK(end.why.reason.empty());
        }
        SUBCASE("none") {
            const Reply told = on_tls(server, {.why = {"certificate-untrusted", "no"}});
            CHECK(told.kind == Reply::Kind::failure);
            CHECK(told.why.reason == "certificate-untrusted");
            packet = told.packet;
            const Answer end = answer();
            CHECK(end.kind == Answer::Kind::refusal);
            CHECK(end.why.reason == "eap-refused");
            CHECK(end.why.sentence.contains("authority of our certificate"));
        }
        SUBCASE("nor has it anything to say to half of a message") {
            CHECK(on_tls(server, {}).why.reason == "eap-malformed");
        }
        CHECK(server.msk.empty());
    }

    TEST_CASE_FIXTURE(Handshake, "a peer that can't go on has no response") {
        answer();
        peer_says(text("hello"));
        server_says(text("certificate"));
        CHECK(on_tls(peer, {}, {.why = {"eap-tls-gone", "no"}}).error().reason == "eap-tls-gone");
        packet = emit({Code::success, 3});
        CHECK(on_packet(legacy, random, rules, peer, packet).error().reason == "eap-malformed");
    }

    // RFC 5216 section 2.1.3.
    TEST_CASE("a peer whose TLS fails answers all the same, and the server ends it") {
        for (const bool by_server : {false, true}) {
            CAPTURE(by_server);
            Handshake of;
            of.answer();
            of.peer_says(text("hello"));
            if (by_server) {
                of.packet = on_tls(of.server, {.records = text("alert"), .why = {"eap-tls-failed", "it is"}}).packet;
                CHECK(of.answer().turn.records == text("alert"));
            } else {
                of.server_says(text("certificate"));
            }
            const Octets said = by_server ? Octets() : text("alert");
            const auto told = on_tls(of.peer, {}, {.records = said, .why = {"eap-tls-failed", "no"}, .of_tls = true});
            REQUIRE(told);
            CHECK(told->kind == Answer::Kind::response);
            CHECK(told->why.sentence == "no");
            Octets expected{0};
            expected.insert(expected.end(), said.begin(), said.end());
            CHECK(parse(told->packet)->data == expected);
            // The server's alert may be one more, of what it can't read.
            const auto again =
                on_packet(of.legacy, of.random, of.rules, of.peer, emit({Code::request, 77, Type::tls, {0, 21}}));
            CHECK(again->packet == emit({Code::response, 77, Type::tls, {0}}));
            CHECK(on_packet(of.legacy, of.random, of.rules, of.peer, emit({Code::success, 3})).error().reason ==
                  "eap-malformed");
            of.packet = told->packet;
            Reply end = of.reply();
            if (!by_server) {
                CHECK(end.kind == Reply::Kind::handshake);
                end = on_tls(of.server, {.why = {"eap-tls-failed", "it says so"}, .of_tls = true});
            }
            CHECK(end.kind == Reply::Kind::failure);
            CHECK(end.why.sentence == (by_server ? "" : "it says so"));  // the former was said with the alert
            of.packet = end.packet;
            const Answer heard = of.answer();
            CHECK(heard.kind == Answer::Kind::refusal);
            CHECK(heard.why.reason == "eap-tls-failed");
            CHECK(of.peer.msk.empty());
        }
    }

    TEST_CASE_FIXTURE(Handshake,
                      "a peer that refuses the server's certificate says why, where it needs no encryption") {
        answer();
        peer_says(text("hello"));
        server_says(text("certificate"));
        const Octets hello{22, 3, 3, 0, 2, 2, 0};
        Octets heard = hello;
        heard.insert(heard.end(), hello.begin(), hello.end());
        const auto tell = [&] { return on_tls(peer, heard, {.why = {"certificate-revoked", "no"}, .alert = 44}); };
        SUBCASE("with TLS 1.2") {
            const auto told = tell();
            REQUIRE(told);
            CHECK(told->why.reason == "certificate-revoked");
            CHECK(parse(told->packet)->data == Octets{0, 21, 3, 3, 0, 2, 2, 44});
        }
        SUBCASE("not with TLS 1.3") {
            heard.insert(heard.end(), {23, 3, 3, 0, 1, 0});
            CHECK(tell().error().reason == "certificate-revoked");
        }
        SUBCASE("not behind the server's last word") {
            heard = {20, 3, 3, 0, 1, 1};
            CHECK(tell().error().reason == "certificate-revoked");
        }
        SUBCASE("not to half a record") {
            heard.pop_back();
            CHECK(tell().error().reason == "certificate-revoked");
        }
    }

    TEST_CASE_FIXTURE(Handshake, "what does not belong there ends it") {
        SUBCASE("a peer that hears of TLS before it begins") {
            CHECK(refused({0, 1}) == "eap-malformed");
        }
        SUBCASE("a beginning with data") {
            CHECK(refused({0x20, 1}) == "eap-malformed");
        }
        SUBCASE("two beginnings") {
            answer();
            CHECK(refused({0x20}) == "eap-malformed");
        }
        SUBCASE("a request with nothing in it") {
            answer();
            peer_says(text("hello"));
            CHECK(refused({0}) == "eap-malformed");
        }
        SUBCASE("a request behind the end") {
            answer();
            peer_says(text("hello"));
            server_says(text("finished"));
            CHECK(on_tls(peer, {}, {.msk = some_key()}));
            CHECK(refused({0, 1}) == "eap-malformed");
        }
        SUBCASE("a response with nothing in it, one that begins, one that is cut off") {
            for (const Octets& data : {Octets{0}, Octets{0x20}, Octets{0x80, 1}}) {
                Handshake fresh;
                const Reply reply = fresh.respond(data);
                CHECK(reply.kind == Reply::Kind::failure);
                CHECK(reply.why.reason == "eap-malformed");
            }
        }
        SUBCASE("an alert where the server was content") {
            answer();
            peer_says(text("hello"));
            static_cast<void>(on_tls(server, {.records = text("finished"), .msk = some_key()}));
            const Reply reply = respond({0, 1});
            CHECK(reply.kind == Reply::Kind::failure);
            CHECK(reply.why.reason == "eap-tls-failed");
        }
        SUBCASE("a Nak in the middle") {
            CHECK(respond({0x40, 1}).kind == Reply::Kind::request);
            server.left = {Type::mschapv2};
            const Reply reply =
                on_response(legacy, random, rules, server, emit({Code::response, server.id, Type::nak, {26}}));
            CHECK(reply.why.reason == "eap-malformed");
        }
    }

    TEST_CASE_FIXTURE(Handshake, "a peer that has another method says so, and a server takes it") {
        rules.methods = {Type::mschapv2};
        answer();
        CHECK(parse(packet)->data == Octets{26});
        server.left = {Type::mschapv2};
        CHECK(parse(reply().packet)->type == Type::mschapv2);
    }
}
