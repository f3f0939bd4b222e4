#include "daemon/engine/userspace_relay.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "tests/support/tls_pair.hpp"
#include "tests/support/userspace_relayed.hpp"

using namespace keysluice;
using namespace keysluice::test;
using keysluice::testing::kSuites;
using keysluice::testing::pattern;
using keysluice::testing::Suite;

namespace {

constexpr std::size_t kMebibyte = 1'048'576;
constexpr const Suite& kTls13 = kSuites[0];
constexpr const Suite& kTls12 = kSuites[4];
constexpr std::array kBothVersions{kTls13, kTls12};

void check_alive(UserspaceRelayed& relayed) {
    relayed.client->say(as_bytes("question"));
    relayed.plain.say(as_bytes("answer"));
    CHECK(relayed.turn_until(
        [&] { return relayed.plain.received.size() >= 8 && relayed.client->received.size() >= 6; }));
    CHECK(as_text(relayed.plain.received) == "question");
    CHECK(as_text(relayed.client->received) == "answer");
    CHECK_FALSE(relayed.over());
}

}  // namespace

TEST_CASE("userspace relay: bytes pass both ways, with every cipher of both versions") {
    for (const Suite& suite : kSuites) {
        CAPTURE(suite.standard_name);
        UserspaceRelayed relayed(suite);
        check_alive(relayed);
        CHECK(relayed.wake_ups() < 20);
    }
}

TEST_CASE("userspace relay: a preface is the first thing that the plaintext side reads") {
    SUBCASE("before the client says anything") {
        UserspaceRelayed relayed(kTls13, plain_tcp_pair(), std::chrono::seconds(60), pattern(100));
        CHECK(relayed.turn_until([&] { return relayed.plain.received.size() == 100; }));
        relayed.client->say(as_bytes("question"));
        CHECK(relayed.turn_until([&] { return relayed.plain.received.size() == 108; }));
        CHECK(as_text(Bytes(relayed.plain.received).subspan(100)) == "question");
    }
    SUBCASE("by a backend that takes little at once") {
        PlainPair pair = plain_tcp_pair();
        set_buffers(pair.relay.get(), 1, 1);
        set_buffers(pair.test.get(), 1, 1);
        const auto preface = pattern(100'000);
        UserspaceRelayed relayed(kTls13, std::move(pair), std::chrono::seconds(60), preface);
        relayed.client->say(as_bytes("question"));
        CHECK(relayed.turn_until([&] { return relayed.plain.received.size() == preface.size() + 8; }));
        CHECK(std::ranges::equal(Bytes(relayed.plain.received).first(preface.size()), preface));
        CHECK(as_text(Bytes(relayed.plain.received).subspan(preface.size())) == "question");
    }
}

TEST_CASE("userspace relay: keys are changed after a volume, and the peer's with them") {
    UserspaceRelayed relayed(kTls13, plain_tcp_pair(), std::chrono::seconds(60), {}, {.volume = 64UL * 1024});
    const KeyUse& peer = relayed.client->session().key_use();
    const auto data = pattern(60'000);
    relayed.client->say(data);
    CHECK(relayed.turn_until([&] { return relayed.plain.received.size() == data.size(); }));
    REQUIRE(peer.sent > data.size());
    SUBCASE("that we sent") {
        relayed.plain.say(pattern(70'000));
        CHECK(relayed.turn_until([&] { return relayed.client->received.size() == 70'000; }));
        CHECK(peer.received < 70'000);
    }
    SUBCASE("that the peer sent") {
        relayed.plain.say(as_bytes("x"));
        CHECK(relayed.turn_until([&] { return peer.received > 0; }));
        relayed.client->say(pattern(6000));
        CHECK(relayed.turn_until([&] { return peer.received == 0; }));
    }
    relayed.client->received.clear();
    relayed.plain.received.clear();
    check_alive(relayed);
    CHECK(peer.sent < data.size());  // it has answered in front of its next data
}

TEST_CASE("userspace relay: keys are changed after a time, while nobody says anything") {
    UserspaceRelayed relayed(kTls13, plain_tcp_pair(), std::chrono::seconds(60), {},
                             {.time = std::chrono::milliseconds(100)});
    relayed.plain.say(as_bytes("x"));
    bool heard = false;
    CHECK(relayed.turn_until([&] {
        const std::uint64_t received = relayed.client->session().key_use().received;
        return std::exchange(heard, heard || received > 0) && received == 0;
    }));
    relayed.client->received.clear();
    check_alive(relayed);
}

TEST_CASE("userspace relay: no key is changed where TLS 1.2 was negotiated, or behind an end") {
    const auto data = pattern(200'000);
    SUBCASE("TLS 1.2") {
        UserspaceRelayed relayed(kTls12, plain_tcp_pair(), std::chrono::seconds(60), {},
                                 {.volume = 64UL * 1024, .time = std::chrono::milliseconds(1)});
        relayed.plain.say(data);
        CHECK(relayed.turn_until([&] { return relayed.client->received.size() == data.size(); }));
        CHECK_FALSE(relayed.over());
    }
    SUBCASE("the peer's end: it is not asked for what it could not say") {
        UserspaceRelayed relayed(kTls13, plain_tcp_pair(), std::chrono::seconds(60), {}, {.volume = 64UL * 1024});
        relayed.client->say_close_notify();
        CHECK(relayed.turn_until([&] { return relayed.plain.ended; }));
        relayed.plain.say(data);
        relayed.plain.say_end();
        CHECK(relayed.turn_until([&] { return relayed.client->closed && relayed.over(); }));
        CHECK((relayed.client->received == data));
        CHECK(relayed.outcome == "");
    }
}

TEST_CASE("userspace relay: data, close_notify and FIN at once: all data comes, then the end") {
    for (const Suite& suite : kBothVersions) {
        for (const std::size_t size : {1UL, 16384UL, 300'000UL}) {
            CAPTURE(size);
            UserspaceRelayed relayed(suite);
            const auto data = pattern(size);
            relayed.client->say(data);
            relayed.client->say_close_notify();
            relayed.client->say_end();
            CHECK(relayed.turn_until([&] { return relayed.plain.over(); }));
            CHECK(relayed.plain.ended);
            CHECK((relayed.plain.received == data));
            CHECK_FALSE(relayed.over());
            const auto late = pattern(100'000);
            relayed.plain.say(late);
            relayed.plain.say_end();
            CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
            CHECK((relayed.client->received == late));
            CHECK(relayed.client->closed);
            CHECK(relayed.client->ended());
            CHECK(relayed.outcome == "");
        }
    }
}

TEST_CASE("userspace relay: the plaintext side ends first: TLS gets close_notify, then FIN, and can go on") {
    for (const Suite& suite : kBothVersions) {
        UserspaceRelayed relayed(suite);
        relayed.plain.say(as_bytes("all I have"));
        relayed.plain.say_end();
        CHECK(relayed.turn_until([&] { return relayed.client->over(); }));
        CHECK(as_text(relayed.client->received) == "all I have");
        CHECK(relayed.client->closed);
        CHECK_FALSE(relayed.over());
        const auto late = pattern(100'000);
        relayed.client->say(late);
        relayed.client->say_close_notify();
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK((relayed.plain.received == late));
        CHECK(relayed.plain.ended);
        CHECK(relayed.outcome == "");
    }
}

TEST_CASE("userspace relay: a FIN without close_notify reaches the plaintext side as a reset") {
    for (const Suite& suite : kBothVersions) {
        UserspaceRelayed relayed(suite);
        relayed.client->say(as_bytes("pay 100"));
        relayed.client->say_end();
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(relayed.plain.error == ECONNRESET);
        CHECK_FALSE(relayed.plain.ended);
        CHECK(relayed.outcome == "truncated");
    }
}

TEST_CASE("userspace relay: our close_notify may be answered with a bare FIN") {
    UserspaceRelayed relayed(kTls13);
    relayed.plain.say_end();
    CHECK(relayed.turn_until([&] { return relayed.client->over(); }));
    relayed.client->say_end();
    CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
    CHECK(relayed.outcome == "");
    CHECK(relayed.plain.error == ECONNRESET);
}

TEST_CASE("userspace relay: a reset of the plaintext side reaches TLS as a reset") {
    UserspaceRelayed relayed(kTls13);
    check_alive(relayed);
    close_with_reset(relayed.plain.fd);
    CHECK(relayed.turn_until([&] { return relayed.over() && relayed.client->over(); }));
    CHECK(relayed.outcome == "plain-side-reset");
    CHECK(relayed.client->error() == ECONNRESET);
    CHECK_FALSE(relayed.client->closed);
}

TEST_CASE("userspace relay: also when a write learns of it first, behind which the socket reads as if it had ended") {
    UserspaceRelayed relayed(kTls13);
    check_alive(relayed);
    relayed.client->say(as_bytes("nobody reads this"));
    relayed.client->pump();  // the relay hears of this first
    close_with_reset(relayed.plain.fd);
    CHECK(relayed.turn_until([&] { return relayed.over() && relayed.client->over(); }));
    CHECK(relayed.outcome == "plain-side-reset");
    CHECK(relayed.client->error() == ECONNRESET);
    CHECK_FALSE(relayed.client->closed);
}

TEST_CASE("userspace relay: a reset of the TLS side reaches the plaintext side as a reset") {
    UserspaceRelayed relayed(kTls13);
    check_alive(relayed);
    relayed.client->say_reset();
    CHECK(relayed.turn_until([&] { return relayed.over() && relayed.plain.over(); }));
    CHECK(relayed.outcome == "tls-side-reset");
    CHECK(relayed.plain.error == ECONNRESET);
}

TEST_CASE("userspace relay: the death of the engine is a reset for the plaintext side") {
    UserspaceRelayed relayed(kTls13);
    check_alive(relayed);
    relayed.die();
    relayed.turn();
    CHECK(relayed.plain.error == ECONNRESET);
    CHECK_FALSE(relayed.plain.ended);
}

TEST_CASE("userspace relay: one side has ended and the other falls silent") {
    UserspaceRelayed relayed(kTls13, plain_tcp_pair(), std::chrono::milliseconds(100));
    SUBCASE("the plaintext side ended") {
        relayed.plain.say_end();
    }
    SUBCASE("TLS ended") {
        relayed.client->say_close_notify();
    }
    CHECK(relayed.turn_until([&] { return relayed.over(); }));
    CHECK(relayed.outcome == "close-timeout");
}

TEST_CASE("userspace relay: who does not read stops the other side, but not the other direction") {
    UserspaceRelayed relayed(kTls13, plain_unix_pair());
    relayed.shrink_buffers(128 * 1024);
    const auto data = pattern(4 * kMebibyte);
    SUBCASE("the plaintext side") {
        relayed.plain.reads = false;
        relayed.client->say(data);
        relayed.turn_for(std::chrono::milliseconds(300));
        CHECK(data.size() < relayed.client->unsaid() + 2 * kMebibyte);
        CHECK(relayed.wake_ups() < 20);
        relayed.plain.say(as_bytes("still here"));
        CHECK(relayed.turn_until([&] { return relayed.client->received.size() == 10; }));
        relayed.plain.reads = true;
        CHECK(relayed.turn_until([&] { return relayed.plain.received.size() == data.size(); }));
        CHECK((relayed.plain.received == data));
    }
    SUBCASE("TLS") {
        relayed.client->set_reads(false);
        relayed.plain.say(data);
        relayed.turn_for(std::chrono::milliseconds(300));
        CHECK(data.size() < relayed.plain.unsaid() + 2 * kMebibyte);
        CHECK(relayed.wake_ups() < 20);
        relayed.client->say(as_bytes("still here"));
        CHECK(relayed.turn_until([&] { return relayed.plain.received.size() == 10; }));
        relayed.client->set_reads(true);
        CHECK(relayed.turn_until([&] { return relayed.client->received.size() == data.size(); }));
        CHECK((relayed.client->received == data));
    }
}

TEST_CASE("userspace relay: the tail is not lost when the plaintext side ends while the buffers are full") {
    for (const Suite& suite : kBothVersions) {
        UserspaceRelayed relayed(suite);
        relayed.shrink_buffers(32 * 1024);
        relayed.client->set_reads(false);
        const auto data = pattern(250'007);
        relayed.plain.say(data);
        relayed.plain.say_end();
        relayed.turn_for(std::chrono::milliseconds(50));
        relayed.client->set_reads(true);
        CHECK(relayed.turn_until([&] { return relayed.client->over(); }));
        CHECK((relayed.client->received == data));
        CHECK(relayed.client->closed);
        CHECK(relayed.client->ended());
    }
}

TEST_CASE(
    "userspace relay: the backend answers, ends and resets while the client still uploads: it gets the answer") {
    PlainPair pair = plain_tcp_pair();
    set_buffers(pair.relay.get(), 4096, 1 << 20);
    set_buffers(pair.test.get(), 1 << 20, 4096);
    UserspaceRelayed relayed(kTls13, std::move(pair));
    set_buffers(relayed.client->socket(), 1 << 20, 4096);
    const auto answer = pattern(100'000);
    relayed.client->set_reads(false);
    relayed.client->say(pattern(200'000));
    relayed.plain.reads = false;
    relayed.plain.say(answer);
    relayed.plain.say_end();
    CHECK(relayed.turn_until([&] { return relayed.plain.has_arrived() && relayed.client->said_all(); }));
    relayed.turn_for(std::chrono::milliseconds(50));
    CHECK_FALSE(relayed.over());
    relayed.plain.fd.reset();  // with unread input: a reset
    CHECK(relayed.turn_until([&] { return relayed.over(); }));
    relayed.client->set_reads(true);
    CHECK(relayed.turn_until([&] { return relayed.client->closed || relayed.client->over(); }));
    CHECK((relayed.client->received == answer));
    CHECK(relayed.client->closed);
}

TEST_CASE(
    "userspace relay: the backend resets while its answer still waits in the engine: the client gets the answer") {
    PlainPair pair = plain_tcp_pair();
    set_buffers(pair.relay.get(), 4096, 1 << 20);
    set_buffers(pair.test.get(), 1 << 20, 4096);
    UserspaceRelayed relayed(kTls13, std::move(pair));
    relayed.shrink_buffers(16 * 1024);
    bool complete = true;
    const auto answer = pattern(400'000);
    relayed.client->set_reads(false);
    relayed.plain.reads = false;
    relayed.plain.say(answer);
    relayed.client->say(pattern(30'000));
    SUBCASE("after its FIN") {
        relayed.plain.say_end();
    }
    SUBCASE("without one") {
        complete = false;
    }
    CHECK(relayed.turn_until([&] { return relayed.plain.said_all() && relayed.client->said_all(); }));
    relayed.turn_for(std::chrono::milliseconds(50));
    relayed.plain.fd.reset();  // with unread input: a reset
    relayed.turn_for(std::chrono::milliseconds(50));
    CHECK_FALSE(relayed.over());
    CHECK(relayed.wake_ups() < 20);
    relayed.client->say(pattern(200'000));  // nobody takes it, yet it stops nothing
    CHECK(relayed.turn_until([&] { return relayed.client->said_all(); }));
    relayed.client->set_reads(true);
    CHECK(relayed.turn_until([&] { return relayed.over() && (relayed.client->closed || relayed.client->over()); }));
    CHECK(relayed.client->closed == complete);
    if (complete) {
        CHECK(relayed.outcome == "");
        CHECK((relayed.client->received == answer));
    } else {
        CHECK(relayed.outcome == "plain-side-reset");
        CHECK(relayed.client->error() == ECONNRESET);
    }
}

TEST_CASE("userspace relay: the backend is reset, its answer waits, and the client never reads: the time ends it") {
    PlainPair pair = plain_tcp_pair();
    set_buffers(pair.relay.get(), 4096, 1 << 20);
    set_buffers(pair.test.get(), 1 << 20, 4096);
    UserspaceRelayed relayed(kTls13, std::move(pair), std::chrono::milliseconds(100));
    relayed.shrink_buffers(16 * 1024);
    relayed.client->set_reads(false);
    relayed.plain.reads = false;
    relayed.plain.say(pattern(400'000));
    relayed.client->say(pattern(30'000));
    CHECK(relayed.turn_until([&] { return relayed.plain.said_all() && relayed.client->said_all(); }));
    relayed.turn_for(std::chrono::milliseconds(50));
    relayed.plain.fd.reset();
    CHECK(relayed.turn_until([&] { return relayed.over(); }));
    CHECK(relayed.outcome == "close-timeout");
}

TEST_CASE("userspace relay: a record that does not decrypt: an alert, and a reset for the plaintext side") {
    for (const Suite& suite : kBothVersions) {
        UserspaceRelayed relayed(suite);
        auto record = relayed.forger().seal(tls::ContentType::application_data, as_bytes("forged"));
        record.back() ^= 1U;
        relayed.client->say_raw(record);
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(relayed.outcome == "bad-record-mac");
        CHECK(relayed.client->failure == "peer-alert");
        CHECK(relayed.client->ended());
        CHECK(relayed.plain.error == ECONNRESET);
    }
}

TEST_CASE("userspace relay: garbage instead of a record") {
    UserspaceRelayed relayed(kTls13);
    relayed.client->say_raw(as_bytes("GET / HTTP/1.1\r\n\r\n"));
    CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
    CHECK(relayed.outcome != "");
    CHECK(relayed.client->failure == "peer-alert");
    CHECK(relayed.plain.error == ECONNRESET);
}

TEST_CASE("userspace relay: empty records are no end, and a flood of them is one") {
    for (const Suite& suite : kBothVersions) {
        UserspaceRelayed relayed(suite);
        auto forger = relayed.forger();
        for (int count = 0; count < 32; ++count) {
            relayed.client->say_raw(forger.seal(tls::ContentType::application_data, {}));
        }
        relayed.client->say_raw(forger.seal(tls::ContentType::application_data, as_bytes("data")));
        CHECK(relayed.turn_until([&] { return relayed.plain.received.size() == 4; }));
        CHECK_FALSE(relayed.over());
        for (int count = 0; count < 1000; ++count) {
            relayed.client->say_raw(forger.seal(tls::ContentType::application_data, {}));
        }
        CHECK(relayed.turn_until([&] { return relayed.over() && relayed.plain.over(); }));
        CHECK(relayed.outcome == "record-flood");
        CHECK(relayed.plain.error == ECONNRESET);
    }
}
