#include <doctest/doctest.h>
#include <openssl/err.h>

#include <algorithm>
#include <functional>
#include <iterator>

#include "tests/support/hex.hpp"
#include "tests/support/protected_record.hpp"
#include "tests/support/raw_peer.hpp"
#include "tests/support/suites.hpp"
#include "tests/support/tls_pair.hpp"
#include "tls/session.hpp"

using namespace keysluice;
using namespace keysluice::tls;
using namespace keysluice::testing;

namespace {

constexpr std::size_t kMebibyte = 1024UL * 1024;

TlsPair established(const Suite& suite) {
    TlsPair pair(server_context(), client_context(only(suite)));
    pair.shake_hands();
    REQUIRE(pair.established());
    return pair;
}

/// A server's session in userspace, and the keys to send it any record at all.
struct Crafted {
    TlsPair pair;
    RecordProtection writer;

    explicit Crafted(const Suite& suite) : pair(established(suite)), writer(make_writer(*pair.client)) {}
    static RecordProtection make_writer(Session& client) {
        const auto keys = client.export_keys().value();
        return {keys.version, keys.cipher, keys.write};
    }
    Received send(ContentType type, Bytes plaintext) {
        const auto record = writer.seal(type, plaintext);
        return receive_all(*pair.server, record);
    }
    /// Sends until the server has had enough; how many it took.
    std::pair<int, std::string_view> flood(const std::function<std::vector<std::uint8_t>()>& next) {
        for (int sent = 0; sent < 500; ++sent) {
            const auto bytes = next();
            const Received received = receive_all(*pair.server, bytes);
            take_output(*pair.server);
            if (!received.end) {
                return {sent, received.end.error().reason};
            }
        }
        return {500, "none"};
    }
};

}  // namespace

TEST_CASE("a mebibyte goes through both ways, in any portions") {
    const std::vector<std::uint8_t> sent = pattern(kMebibyte);
    for (const Suite& suite : kSuites) {
        CAPTURE(suite.standard_name);
        const TlsPair pair = established(suite);
        for (const bool from_client : {true, false}) {
            Session& from = from_client ? *pair.client : *pair.server;
            Session& to = from_client ? *pair.server : *pair.client;
            REQUIRE(from.write(sent));
            const std::vector<std::uint8_t> wire = take_output(from);
            std::vector<std::uint8_t> received;
            for (std::size_t start = 0; start < wire.size(); start += 10007) {
                const Received part =
                    receive_all(to, Bytes{wire}.subspan(start, std::min<std::size_t>(10007, wire.size() - start)));
                REQUIRE(part.end == Read::want_more);
                std::ranges::copy(part.data, std::back_inserter(received));
            }
            CHECK(received == sent);
        }
    }
}

TEST_CASE("each direction closes on its own") {
    for (const Suite& suite : {kSuites[0], kSuites[4]}) {
        const TlsPair pair = established(suite);
        REQUIRE(pair.client->write(as_bytes("last words")));
        REQUIRE(pair.client->close_notify());
        REQUIRE(pair.client->close_notify());  // once is enough
        const auto wire = take_output(*pair.client);
        CHECK(records_in(wire).size() == 2);
        const Received received = receive_all(*pair.server, wire);
        CHECK(as_text(received.data) == "last words");
        CHECK(received.end == Read::closed);
        REQUIRE(pair.server->write(as_bytes("still here")));
        CHECK(as_text(receive_all(*pair.client, take_output(*pair.server)).data) == "still here");
        REQUIRE(pair.server->close_notify());
        CHECK(receive_all(*pair.client, take_output(*pair.server)).end == Read::closed);
        CHECK(!pair.client->write(as_bytes("too late")));
        CHECK(ERR_peek_error() == 0);
    }
}

TEST_CASE("a stream that is cut off never looks like an orderly end") {
    const TlsPair pair = established(kSuites[0]);
    REQUIRE(pair.client->write(as_bytes("hello")));
    REQUIRE(pair.client->write(as_bytes("world")));
    auto wire = take_output(*pair.client);
    wire.pop_back();
    const Received received = receive_all(*pair.server, wire);
    CHECK(as_text(received.data) == "hello");
    CHECK(received.end == Read::want_more);
}

TEST_CASE("writing nothing sends nothing, and what was sent gives its memory back") {
    const TlsPair pair = established(kSuites[0]);
    REQUIRE(pair.client->write({}));
    CHECK(pair.client->output().empty());
    REQUIRE(pair.client->write(as_bytes("abc")));
    const std::size_t size = pair.client->output().size();
    const std::vector<std::uint8_t> whole(pair.client->output().begin(), pair.client->output().end());
    pair.client->sent(10);
    CHECK(std::ranges::equal(pair.client->output(), Bytes{whole}.subspan(10)));
    pair.client->sent(size - 10);
    CHECK(pair.client->output().data() == nullptr);
}

TEST_CASE("a changed record is bad-record-mac, and the alert for it is ready") {
    for (const Suite& suite : kSuites) {
        CAPTURE(suite.standard_name);
        const TlsPair pair = established(suite);
        REQUIRE(pair.client->write(as_bytes("hello")));
        auto wire = take_output(*pair.client);
        wire.back() ^= 1U;
        const Received received = receive_all(*pair.server, wire);
        CHECK(received.data.empty());
        REQUIRE(!received.end);
        CHECK(received.end.error().reason == "bad-record-mac");
        const Received told = receive_all(*pair.client, take_output(*pair.server));
        REQUIRE(!told.end);
        CHECK(told.end.error().reason == "peer-alert");
        CHECK(told.end.error().sentence.contains("bad record mac"));
        CHECK(ERR_peek_error() == 0);
        // It stays failed.
        CHECK(!receive_all(*pair.server, wire).end);
        CHECK(!pair.server->write(as_bytes("x")));
    }
}

TEST_CASE("too long a record is record-overflow") {
    Crafted crafted(kSuites[0]);
    const Received received = crafted.send(ContentType::application_data, pattern(16385));
    REQUIRE(!received.end);
    CHECK(received.end.error().reason == "record-overflow");
}

TEST_CASE("an alert from the peer is told by its name") {
    for (const Suite& suite : {kSuites[0], kSuites[4]}) {
        Crafted crafted(suite);
        const Received received = crafted.send(ContentType::alert, from_hex("0250"));
        REQUIRE(!received.end);
        CHECK(received.end.error().reason == "peer-alert");
        CHECK(received.end.error().sentence.contains("internal error"));
    }
}

TEST_CASE("KeyUpdates are followed, and answered when that is asked for") {
    const auto session = Session::accept(server_context()).value();
    RawPeer peer(Role::client, [](SSL_CTX*) {});
    REQUIRE(peer.shake_hands(*session));
    for (int round = 0; round < 5; ++round) {
        SSL_key_update(peer.ssl(), SSL_KEY_UPDATE_REQUESTED);
        SSL_write(peer.ssl(), "ping", 4);
        const Received received = receive_all(*session, peer.take_output());
        CHECK(as_text(received.data) == "ping");
        REQUIRE(session->write(as_bytes("pong")));
        const auto answer = take_output(*session);
        CHECK(records_in(answer).size() == 2);
        CHECK(as_text(peer.read(answer)) == "pong");
    }
}

TEST_CASE("a flood of KeyUpdates ends the connection, single bytes in between or not") {
    for (const bool with_data : {false, true}) {
        CAPTURE(with_data);
        const auto session = Session::accept(server_context()).value();
        RawPeer peer(Role::client, [](SSL_CTX*) {});
        REQUIRE(peer.shake_hands(*session));
        int sent = 0;
        Received received{{}, Read::want_more};
        for (; received.end && sent < 200; ++sent) {
            SSL_key_update(peer.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
            if (with_data) {
                SSL_write(peer.ssl(), "x", 1);
            } else {
                SSL_do_handshake(peer.ssl());
            }
            received = receive_all(*session, peer.take_output());
        }
        REQUIRE(!received.end);
        CHECK(received.end.error().reason == "key-update-flood");
        CHECK(sent == FloodGuard::kBurst + 1);
    }
}

TEST_CASE("a peer that rekeys while it moves data is left alone") {
    const auto session = Session::accept(server_context()).value();
    RawPeer peer(Role::client, [](SSL_CTX*) {});
    REQUIRE(peer.shake_hands(*session));
    const auto data = pattern(FloodGuard::kBytesPerCredit);
    for (int round = 0; round < 100; ++round) {
        SSL_key_update(peer.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
        SSL_write(peer.ssl(), data.data(), static_cast<int>(data.size()));
        REQUIRE(receive_all(*session, peer.take_output()).end == Read::want_more);
    }
}

TEST_CASE("keys are changed on demand, those of the peer where it is asked") {
    for (const bool asking : {false, true}) {
        CAPTURE(asking);
        TlsPair pair = established(kSuites[0]);
        Session& ours = *pair.server;
        Session& theirs = *pair.client;
        REQUIRE(ours.write(pattern(20'000)));
        REQUIRE(receive_all(theirs, take_output(ours)).end == Read::want_more);
        REQUIRE(theirs.write(pattern(100)));
        REQUIRE(receive_all(ours, take_output(theirs)).end == Read::want_more);
        CHECK(ours.key_use().sent > 20'000);
        CHECK(ours.key_use().received > 100);

        REQUIRE(ours.change_keys(asking));
        CHECK(ours.key_use().sent == 0);
        CHECK(ours.key_use().asked == (asking ? 1 : 0));
        REQUIRE(receive_all(theirs, take_output(ours)).end == Read::want_more);
        CHECK(theirs.key_use().received == 0);

        // The answer goes in front of its next data.
        REQUIRE(theirs.write(as_bytes("answer")));
        CHECK(as_text(receive_all(ours, take_output(theirs)).data) == "answer");
        CHECK((theirs.key_use().sent < 100) == asking);
        CHECK((ours.key_use().received < 100) == asking);
        CHECK(ours.key_use().asked == 0);
        REQUIRE(ours.write(as_bytes("question")));
        CHECK(as_text(receive_all(theirs, take_output(ours)).data) == "question");
    }
}

TEST_CASE("an answer that is due asks for nothing") {
    TlsPair pair = established(kSuites[0]);
    REQUIRE(pair.client->change_keys(true));
    REQUIRE(receive_all(*pair.server, take_output(*pair.client)).end == Read::want_more);
    REQUIRE(pair.server->change_keys(true));
    CHECK(pair.server->key_use().asked == 0);
    REQUIRE(receive_all(*pair.client, take_output(*pair.server)).end == Read::want_more);
    CHECK(pair.client->key_use().asked == 0);
    REQUIRE(pair.client->write(as_bytes("data")));
    const auto wire = take_output(*pair.client);
    CHECK(records_in(wire).size() == 1);
    CHECK(as_text(receive_all(*pair.server, wire).data) == "data");
}

TEST_CASE("KeyUpdates that were asked for, or that follow what we sent, are no flood") {
    const auto session = Session::accept(server_context()).value();
    RawPeer peer(Role::client, [](SSL_CTX*) {});
    REQUIRE(peer.shake_hands(*session));
    for (int round = 0; round < 100; ++round) {
        REQUIRE(session->change_keys(true));
        peer.read(take_output(*session));
        SSL_key_update(peer.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);  // without data, which OpenSSL would wait for
        SSL_do_handshake(peer.ssl());
        REQUIRE(receive_all(*session, peer.take_output()).end == Read::want_more);
        REQUIRE(session->key_use().asked == 0);
    }
    for (int round = 0; round < 100; ++round) {
        REQUIRE(session->write(pattern(FloodGuard::kBytesPerCredit)));
        peer.read(take_output(*session));
        SSL_key_update(peer.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
        SSL_do_handshake(peer.ssl());
        REQUIRE(receive_all(*session, peer.take_output()).end == Read::want_more);
    }
}

TEST_CASE("floods of records without data end the connection") {
    for (const Suite& suite : {kSuites[0], kSuites[4]}) {
        CAPTURE(suite.standard_name);
        Crafted empty(suite);
        const auto [records, reason] =
            empty.flood([&] { return empty.writer.seal(ContentType::application_data, {}); });
        CHECK(reason == "record-flood");
        CHECK(records <= 64);
    }
    Crafted warnings(kSuites[4]);
    const auto [alerts, reason] =
        warnings.flood([&] { return warnings.writer.seal(ContentType::alert, from_hex("015a")); });
    CHECK(reason == "record-flood");
    CHECK(alerts <= 64);
}

TEST_CASE("renegotiation is declined, and asking again and again ends the connection") {
    Crafted crafted(kSuites[4]);
    // The header and the beginning of a ClientHello are all that is looked at.
    const auto hello = from_hex("01000026 0303" + std::string(64, '0') + "00000000");
    const Received received = crafted.send(ContentType::handshake, hello);
    CHECK(received.end == Read::want_more);
    CHECK(!crafted.pair.server->output().empty());
    const Received told = receive_all(*crafted.pair.client, take_output(*crafted.pair.server));
    CHECK(told.data.empty());
    const auto [hellos, reason] = crafted.flood([&] { return crafted.writer.seal(ContentType::handshake, hello); });
    CHECK(reason == "record-flood");
    CHECK(hellos <= 64);
}

TEST_CASE("a client declines a server's request to renegotiate and goes on") {
    const TlsPair pair = established(kSuites[4]);
    const auto keys = pair.server->export_keys().value();
    RecordProtection server(keys.version, keys.cipher, keys.write);
    const auto hello_request = from_hex("00000000");
    const Received received = receive_all(*pair.client, server.seal(ContentType::handshake, hello_request));
    CHECK(received.end == Read::want_more);
    RecordProtection reader(keys.version, keys.cipher, keys.read);
    const auto answer = take_output(*pair.client);
    REQUIRE(records_in(answer).size() == 1);
    const auto alert = reader.open(answer);
    REQUIRE(alert);
    CHECK(*alert == std::vector<std::uint8_t>{1, SSL_AD_NO_RENEGOTIATION});
    const Received data = receive_all(*pair.client, server.seal(ContentType::application_data, as_bytes("on")));
    CHECK(as_text(data.data) == "on");
}

TEST_CASE("nothing is written behind a close_notify") {
    for (const Suite& suite : kSuites) {
        CAPTURE(suite.standard_name);
        TlsPair pair = established(suite);
        REQUIRE(pair.server->close_notify());
        const auto written = pair.server->write(as_bytes("too late"));
        REQUIRE_FALSE(written);
        CHECK(written.error().reason == "record-layer-failed");
        CHECK(written.error().sentence.contains("OpenSSL"));
    }
}
