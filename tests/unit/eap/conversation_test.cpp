#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <string>

#include "eap/peer.hpp"
#include "eap/server.hpp"
#include "tests/support/ike_end.hpp"

using namespace keysluice;
using namespace keysluice::eap;
using keysluice::ike::testing::SeededRandom;

namespace {

/// A peer and a server, and the packet that is on its way to the peer.
struct Conversation {
    Conversation() {
        mine.methods = theirs.methods = {Type::mschapv2};
        mine.identity = "alice";
        mine.password = Password(as_bytes("sesame"));
        theirs.users.emplace("alice", Password(as_bytes("sesame")));
        theirs.users.emplace("bob", Password(as_bytes("other")));
    }
    /// The server's next packet, after the peer's answer.
    Reply turn() {
        Answer answer = on_packet(legacy, random, mine, peer, packet).value();
        REQUIRE(answer.kind == Answer::Kind::response);
        Reply reply = on_response(legacy, random, theirs, server, answer.packet);
        packet = reply.packet;
        why = reply.why.reason.empty() ? why : reply.why.reason;
        return reply;
    }
    /// Until the server has decided.
    Reply run() {
        packet = begin(random, theirs, server);
        for (int rounds = 0; rounds < 10; ++rounds) {
            if (Reply reply = turn(); reply.kind != Reply::Kind::request) {
                return reply;
            }
        }
        FAIL("it has no end");
        return {};
    }
    /// What the peer makes of the end.
    [[nodiscard]] Result<Answer> heard() { return on_packet(legacy, random, mine, peer, packet); }

    crypto::LegacyAlgorithms legacy;
    SeededRandom random{7};
    Rules mine;
    Rules theirs;
    Peer peer;
    Server server;
    Octets packet;
    std::string_view why;  ///< the server said last
};

void check_failure(const Reply& reply, std::string_view reason) {
    CHECK(reply.kind == Reply::Kind::failure);
    CHECK(reply.why.reason == reason);
    CHECK(parse(reply.packet)->code == Code::failure);
}

constexpr std::size_t kOpCode = 5;

}  // namespace

TEST_SUITE("eap: conversations") {
    TEST_CASE_FIXTURE(Conversation, "with the right password both have the same key") {
        CHECK(run().kind == Reply::Kind::success);
        CHECK(heard()->kind == Answer::Kind::success);
        CHECK(peer.msk.size() == 64);
        CHECK(std::ranges::equal(peer.msk.expose(), server.msk.expose()));
        CHECK(server.identity == "alice");
    }

    TEST_CASE_FIXTURE(Conversation, "a wrong password and an unknown user hear the same") {
        std::string_view reason = "eap-password";
        SUBCASE("wrong") {
            mine.password = Password(as_bytes("guessed"));
        }
        SUBCASE("unknown") {
            mine.identity = "mallory";
            reason = "eap-user";
        }
        SUBCASE("unknown, without a password") {
            mine.identity = "mallory";
            mine.password = {};
            reason = "eap-user";
        }
        SUBCASE("that of another user") {
            mine.identity = "bob";
        }
        check_failure(run(), "");
        CHECK(why == reason);
        CHECK(server.msk.empty());
        const auto answer = heard();
        REQUIRE(answer);
        CHECK(answer->kind == Answer::Kind::refusal);
        CHECK(answer->why.reason == "eap-refused");
        CHECK(answer->why.sentence.contains("error 691"));
    }

    TEST_CASE_FIXTURE(Conversation, "a server that does not know the password is not believed") {
        packet = begin(random, theirs, server);
        turn();
        Reply reply = turn();
        REQUIRE(reply.packet.at(kOpCode) == 3);
        auto& digit = packet.at(kOpCode + 7);
        digit = digit == 'A' ? 'B' : 'A';
        CHECK(heard().error().reason == "eap-server");
        CHECK(peer.msk.empty());
        SUBCASE("nor one that asks for no proof") {
            peer = {};
            packet = emit({Code::success, 3});
            CHECK(heard().error().reason == "eap-malformed");
        }
        SUBCASE("nor one that is pleased before it has asked") {
            peer = {};
            digit = digit == 'A' ? 'B' : 'A';
            CHECK(heard().error().reason == "eap-malformed");
        }
    }

    TEST_CASE_FIXTURE(Conversation, "a Nak has the server go on to its next method, or give up") {
        packet = begin(random, theirs, server);
        turn();
        const std::uint8_t id = server.id;
        const auto nak = [&](Octets wanted) {
            return on_response(legacy, random, theirs, server,
                               emit({Code::response, id, Type::nak, std::move(wanted)}));
        };
        SUBCASE("it has none") {
            check_failure(nak({13, 21}), "eap-method");
        }
        SUBCASE("it has one") {
            server.left = {Type::mschapv2};
            const Reply reply = nak({13, 26});
            REQUIRE(reply.kind == Reply::Kind::request);
            CHECK(parse(reply.packet)->type == Type::mschapv2);
        }
        SUBCASE("it has one that the peer does not want") {
            server.left = {Type::mschapv2};
            check_failure(nak({13}), "eap-method");
        }
        SUBCASE("it is no way to another try") {
            mine.password = Password(as_bytes("guessed"));
            server.left = {Type::mschapv2};
            turn();
            check_failure(
                on_response(legacy, random, theirs, server, emit({Code::response, server.id, Type::nak, {26}})),
                "eap-malformed");
        }
    }

    TEST_CASE_FIXTURE(Conversation, "the peer declines what it has not, and says what it has") {
        packet = emit({Code::request, 5, static_cast<Type>(13), {0x20}});
        const auto answer = heard();
        REQUIRE(answer);
        CHECK(parse(answer->packet) == Packet{Code::response, 5, Type::nak, {26}});
        packet = emit({Code::failure, 5});
        CHECK(heard()->why.reason == "eap-method");
        packet = emit({Code::request, 6, Type::notification, {'h', 'i'}});
        CHECK(parse(heard()->packet) == Packet{Code::response, 6, Type::notification, {}});
        peer.method = Type::mschapv2;
        packet = emit({Code::request, 7, static_cast<Type>(13), {0x20}});
        CHECK(heard().error().reason == "eap-malformed");
    }

    TEST_CASE_FIXTURE(Conversation, "packets that are cut short, or of another kind, end it") {
        packet = begin(random, theirs, server);
        const auto answers = [&](const Octets& octets) {
            Server copy{.id = server.id,
                        .asked = server.asked,
                        .identity = server.identity,
                        .left = server.left,
                        .mschapv2 = server.mschapv2,
                        .tls = {},
                        .msk = {}};
            return on_response(legacy, random, theirs, copy, octets);
        };
        check_failure(answers(emit({Code::response, server.id, Type::identity, Octets(300, 'a')})), "eap-malformed");
        check_failure(answers(emit({Code::response, server.id, Type::nak, {26}})), "eap-malformed");
        check_failure(answers(emit({Code::success, server.id})), "eap-malformed");
        turn();
        Octets response = on_packet(legacy, random, mine, peer, packet)->packet;
        Packet whole = parse(response).value();
        for (std::size_t size = 0; size < 54; ++size) {
            CAPTURE(size);
            Packet cut = whole;
            cut.data.resize(size);
            check_failure(answers(emit(cut)), "eap-malformed");
            if (size >= 4) {
                cut.data[3] = static_cast<std::uint8_t>(size);
                check_failure(answers(emit(cut)), "eap-malformed");
            }
        }
        Packet challenge = parse(packet).value();
        for (std::size_t size = 0; size < 21; ++size) {
            CAPTURE(size);
            Packet cut = challenge;
            cut.data.resize(size);
            CHECK(on_packet(legacy, random, mine, peer, emit(cut)).error().reason == "eap-malformed");
            if (size >= 4) {
                cut.data[3] = static_cast<std::uint8_t>(size);
                CHECK(on_packet(legacy, random, mine, peer, emit(cut)).error().reason == "eap-malformed");
            }
        }
        ++whole.id;
        check_failure(answers(emit(whole)), "eap-malformed");
    }

    TEST_CASE_FIXTURE(Conversation, "a peer that does not believe the server says so") {
        packet = begin(random, theirs, server);
        turn();
        turn();
        const Octets refusal = emit({Code::response, server.id, Type::mschapv2, {4}});
        check_failure(on_response(legacy, random, theirs, server, refusal), "eap-refused");
    }
}
