#include "daemon/engine/negotiation.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <concepts>
#include <optional>

#include "daemon/shared/clock.hpp"
#include "daemon/shared/farewells.hpp"
#include "tests/support/suites.hpp"
#include "tests/support/tcp_pair.hpp"
#include "tests/support/tls_client.hpp"
#include "tests/support/tls_pair.hpp"

using namespace keysluice;
using namespace keysluice::test;
using keysluice::testing::client_context;
using keysluice::testing::kSuites;
using keysluice::testing::server_context;
using keysluice::testing::Suite;

namespace {

constexpr std::uint8_t kAlertType = 21;

/// A server's negotiation with whatever the test writes into the other end.
struct Negotiating final : Negotiation::Owner {
    explicit Negotiating(Duration timeout = std::chrono::seconds(60))
        : context(server_context()), farewells(loop), peer(UniqueFd()) {
        ktls::TcpPair pair = tcp_pair();
        set_nonblocking(pair.server.get());
        peer.fd = std::move(pair.client);
        negotiation = std::make_unique<Negotiation>(loop, *this, service, context, std::move(pair.server));
        negotiation->start(now() + timeout, 0);
    }

    void on_established(Negotiation& /*negotiation*/, Negotiated negotiated) override {
        REQUIRE_FALSE(over());
        result = std::move(negotiated);
        loop.bury(std::move(negotiation));
    }
    void on_failed(Negotiation& /*negotiation*/, const Error& error, UniqueFd tls) override {
        REQUIRE_FALSE(over());
        failure = error;
        if (tls) {
            farewells.add(std::move(tls));
        }
        loop.bury(std::move(negotiation));
    }
    [[nodiscard]] bool over() const { return result || failure; }
    template <std::predicate Condition>
    [[nodiscard]] bool turn_until(Condition condition) {
        const Instant until = now() + std::chrono::seconds(10);
        while (!condition() && now() < until) {
            peer.pump();
            loop.turn(std::chrono::milliseconds(2));
        }
        return condition();
    }
    void turn_for(Duration time) {
        const Instant until = now() + time;
        static_cast<void>(turn_until([until] { return now() > until; }));
    }
    [[nodiscard]] std::string_view reason() const { return failure ? failure->reason : ""; }

    TlsService service;
    tls::Context context;
    Loop loop;
    Farewells farewells;
    PlainEnd peer;
    std::unique_ptr<Negotiation> negotiation;
    std::optional<Negotiated> result;
    std::optional<Error> failure;
};

}  // namespace

TEST_CASE("a handshake with every cipher of both versions, and not a byte behind it is touched") {
    for (const Suite& suite : kSuites) {
        CAPTURE(suite.standard_name);
        Negotiating server;
        const tls::Context context = client_context(testing::only(suite));
        TlsClient client(std::move(server.peer.fd), tls::Session::connect(context).value());
        bool spoke = false;
        REQUIRE(server.turn_until([&] {
            client.pump();
            if (client.established() && !std::exchange(spoke, true)) {
                // At once with the Finished, where the version allows it.
                client.say(as_bytes("early bird"));
                client.pump();
            }
            return server.over();
        }));
        REQUIRE(server.result);
        CHECK(server.result->session->summary().version == suite.version);
        CHECK(server.result->session->summary().cipher == suite.cipher);
        CHECK(server.result->session->kernel_obstacle() == std::nullopt);
        CHECK(server.result->session->export_keys());
        CHECK_FALSE(server.result->plain);
    }
}

TEST_CASE("application data that comes together with the Finished is still in the socket") {
    Negotiating server;
    const tls::Context context = client_context(testing::only(kSuites[0]));
    auto client = tls::Session::connect(context).value();
    server.peer.say(testing::take_output(*client));
    REQUIRE(server.turn_until([&] {
        for (const Bytes record : testing::records_in(server.peer.received)) {
            if (!client->established()) {
                REQUIRE(client->feed(record));
            }
        }
        return client->established();
    }));
    auto last_flight = testing::take_output(*client);
    REQUIRE(client->write(as_bytes("early bird")));
    const auto data = testing::take_output(*client);
    last_flight.insert(last_flight.end(), data.begin(), data.end());
    server.peer.say(last_flight);
    REQUIRE(server.turn_until([&] { return server.over(); }));
    REQUIRE(server.result);
    std::array<std::uint8_t, 1000> rest{};
    const ssize_t size = ::recv(server.result->tls.get(), rest.data(), rest.size(), MSG_DONTWAIT);
    REQUIRE(size == static_cast<ssize_t>(data.size()));
    const auto got = testing::receive_all(*server.result->session, Bytes(rest).first(data.size()));
    CHECK(as_text(got.data) == "early bird");
}

TEST_CASE("a handshake whose client sends one byte at a time") {
    Negotiating server;
    auto client = tls::Session::connect(client_context()).value();
    std::vector<std::uint8_t> unsent;
    std::size_t fed = 0;
    REQUIRE(server.turn_until([&] {
        const auto fresh = testing::take_output(*client);
        unsent.insert(unsent.end(), fresh.begin(), fresh.end());
        if (!unsent.empty()) {
            server.peer.say(Bytes(unsent).first(1));
            unsent.erase(unsent.begin());
        }
        for (const Bytes record : testing::records_in(Bytes(server.peer.received).subspan(fed))) {
            fed += record.size();
            REQUIRE(client->feed(record));
        }
        return server.over();
    }));
    CHECK(server.result);
}

TEST_CASE("who says nothing is waited for, and then not any more") {
    Negotiating server(std::chrono::milliseconds(100));
    SUBCASE("nothing") {
        server.turn_for(std::chrono::milliseconds(30));
        CHECK_FALSE(server.over());
    }
    SUBCASE("the beginning of a record") {
        server.peer.say(std::array<std::uint8_t, 6>{22, 3, 1, 1, 0, 1});
    }
    SUBCASE("a ClientHello, and no more") {
        server.peer.say(testing::take_output(*tls::Session::connect(client_context()).value()));
    }
    CHECK(server.turn_until([&] { return server.over(); }));
    CHECK(server.reason() == "handshake-timeout");
    CHECK(server.turn_until([&] { return server.peer.over(); }));
}

TEST_CASE("plain HTTP on the TLS port is called by its name") {
    Negotiating server;
    server.peer.say(as_bytes("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"));
    CHECK(server.turn_until([&] { return server.over(); }));
    CHECK(server.reason() == "plain-http");
    CHECK(server.turn_until([&] { return server.peer.over(); }));
}

TEST_CASE("garbage before the handshake") {
    Negotiating server;
    SUBCASE("no record") {
        server.peer.say(as_bytes("\x01\x02\x03\x04\x05\x06"));
        CHECK(server.turn_until([&] { return server.peer.over(); }));
        CHECK(server.reason() == "not-tls");
    }
    SUBCASE("a record that is too long") {
        server.peer.say(std::array<std::uint8_t, 5>{22, 3, 1, 0xff, 0xff});
        CHECK(server.turn_until([&] { return server.peer.over(); }));
        CHECK(server.reason() == "record-overflow");
    }
    SUBCASE("a record with nonsense in it: the alert comes out") {
        server.peer.say(std::array<std::uint8_t, 9>{22, 3, 1, 0, 4, 2, 0, 0, 0});
        CHECK(server.turn_until([&] { return server.peer.over(); }));
        CHECK(server.reason() != "");
        REQUIRE(server.peer.received.size() == 7);
        CHECK(server.peer.received[0] == kAlertType);
        CHECK(server.peer.ended);
    }
    SUBCASE("a ClientHello that asks for what is not served: the alert comes out") {
        auto settings = testing::only(kSuites[4]);
        settings.protocol.tls12_ciphers = {"ECDHE-RSA-AES128-GCM-SHA256"};
        auto client = tls::Session::connect(client_context(settings)).value();
        server.peer.say(testing::take_output(*client));
        CHECK(server.turn_until([&] { return server.peer.over(); }));
        CHECK(server.reason() == "no-shared-cipher");
        REQUIRE(server.peer.received.size() == 7);
        CHECK(server.peer.received[0] == kAlertType);
        CHECK(server.peer.ended);
    }
    CHECK(server.failure);
}

TEST_CASE("a peer that leaves during the handshake") {
    Negotiating server;
    SUBCASE("at once") {}
    SUBCASE("in the middle of its first record") {
        server.peer.say(std::array<std::uint8_t, 6>{22, 3, 1, 1, 0, 1});
    }
    SUBCASE("behind its ClientHello") {
        server.peer.say(testing::take_output(*tls::Session::connect(client_context()).value()));
        server.turn_for(std::chrono::milliseconds(20));
    }
    SUBCASE("with a reset") {
        server.turn_for(std::chrono::milliseconds(5));
        close_with_reset(server.peer.fd);
        CHECK(server.turn_until([&] { return server.over(); }));
        CHECK(server.reason() == "peer-closed");
        return;
    }
    server.peer.say_end();
    CHECK(server.turn_until([&] { return server.over(); }));
    CHECK(server.reason() == "peer-closed");
}
