#include "tls/client_sessions.hpp"

#include <doctest/doctest.h>

#include <array>
#include <chrono>

#include "tests/support/protected_record.hpp"
#include "tests/support/ticket_office.hpp"
#include "tests/support/tls_pair.hpp"
#include "tls/session.hpp"

using namespace keysluice;
using namespace keysluice::tls;
using namespace keysluice::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::array<Version, 2> kVersions{Version::tls12, Version::tls13};
constexpr auto kLifetime = 300s;
constexpr Instant kStart{70'000s};
constexpr const char* kServer = "192.0.2.1:443";

/// A server that gives out tickets, and a client that keeps them.
struct Ends {
    Context server;
    Context client;

    explicit Ends(Version version, std::chrono::milliseconds kept = kLifetime)
        : server(server_context(settings_of_server())), client(client_context(settings_of_client(version, kept))) {}

   private:
    static ServerSettings settings_of_server() {
        ServerSettings settings = server_settings();
        settings.resumption = {.office = std::make_shared<FakeTicketOffice>(), .audience = "shop", .lifetime = 24h};
        return settings;
    }
    static ClientSettings settings_of_client(Version version, std::chrono::milliseconds kept) {
        ClientSettings settings = client_settings();
        settings.protocol.min_version = settings.protocol.max_version = version;
        settings.protocol.export_keys = true;
        settings.session_lifetime = kept;
        return settings;
    }
};

ClientStart start_at(Instant now, const char* server = kServer) {
    return {.server = server, .now = now, .time = std::chrono::system_clock::now()};
}

/// A connection whose handshake is done. What the server sent behind it is in `rest`.
struct Call {
    std::unique_ptr<Session> server;
    std::unique_ptr<Session> client;
    std::vector<std::uint8_t> rest;

    Call(const Ends& ends, const ClientStart& start)
        : server(Session::accept(ends.server, kStart).value()), client(Session::connect(ends.client, start).value()) {
        while (!client->established() || !server->established()) {
            REQUIRE(move_records(*client, *server));
            if (client->established()) {
                break;
            }
            REQUIRE(move_records(*server, *client));
        }
        rest = take_output(*server);
        CHECK(client->summary().resumed == server->summary().resumed);
    }
    explicit Call(const Ends& ends, Instant at = kStart) : Call(ends, start_at(at)) {}

    /// As the userspace record layer does.
    void read_rest() const { CHECK(receive_all(*client, rest).data.empty()); }
    [[nodiscard]] bool resumed() const { return client->summary().resumed; }
};

SslSessionPtr some_session() {
    SslSessionPtr session(SSL_SESSION_new());
    const std::array<std::uint8_t, 1> id{1};
    SSL_SESSION_set1_id(session.get(), id.data(), id.size());
    return session;
}

}  // namespace

TEST_CASE("a client resumes its sessions by the tickets that it has read") {
    for (const Version version : kVersions) {
        CAPTURE(name_of(version));
        const Ends ends(version);
        const Call first(ends);
        CHECK_FALSE(first.resumed());
        first.read_rest();
        const Call second(ends);
        CHECK(second.resumed());
        second.read_rest();
        CHECK(Call(ends).resumed());
        CHECK_FALSE(Call(ends, start_at(kStart, "192.0.2.2:443")).resumed());
    }
}

TEST_CASE("a client that is to keep no session makes full handshakes") {
    for (const Version version : kVersions) {
        const Ends ends(version, 0s);
        Call(ends).read_rest();
        CHECK_FALSE(Call(ends).resumed());
    }
}

TEST_CASE("a ticket of TLS 1.3 is used once, one of TLS 1.2 as long as it is good") {
    for (const Version version : kVersions) {
        CAPTURE(name_of(version));
        const Ends ends(version);
        Call(ends).read_rest();
        int resumed = 0;
        for (int i = 0; i < 5; ++i) {
            resumed += Call(ends).resumed() ? 1 : 0;  // and it reads no more tickets of TLS 1.3
        }
        CHECK(resumed == (version == Version::tls13 ? 2 : 5));
    }
}

TEST_CASE("a session ends with its lifetime, which resuming does not prolong, or with its certificate") {
    for (const Version version : kVersions) {
        CAPTURE(name_of(version));
        const Ends ends(version);
        Call(ends).read_rest();
        const Call late(ends, kStart + kLifetime - 1s);
        CHECK(late.resumed());
        late.read_rest();
        CHECK_FALSE(Call(ends, kStart + kLifetime).resumed());

        const Ends others(version);
        Call(others).read_rest();
        ClientStart start = start_at(kStart);
        start.time += std::chrono::years(100);
        CHECK_FALSE(Call(others, start).resumed());
    }
}

TEST_CASE("a ticket that the kernel has decrypted resumes a session, too") {
    const Ends ends(Version::tls13);
    const Call first(ends);
    REQUIRE(first.client->wants_ticket());
    const auto keys = first.client->export_keys();
    REQUIRE(keys);
    RecordProtection kernel(keys->version, keys->cipher, keys->read);
    const auto records = records_in(first.rest);
    REQUIRE(records.size() == 2);
    for (const Bytes record : records) {
        auto message = kernel.open(record);
        REQUIRE(message);
        CHECK(message->back() == static_cast<std::uint8_t>(ContentType::handshake));
        message->pop_back();
        CHECK(first.client->late_ticket(*message));
    }
    CHECK(Call(ends).resumed());
    CHECK(Call(ends).resumed());
    CHECK_FALSE(Call(ends).resumed());
}

TEST_CASE("what is no ticket resumes nothing, and a record that could not be is refused") {
    const Ends ends(Version::tls13);
    const std::vector<std::uint8_t> nonsense{4, 0, 0, 3, 1, 2, 3};
    CHECK_FALSE(Call(ends).client->late_ticket(nonsense));
    const Call call(ends);
    CHECK(call.client->late_ticket(std::vector<std::uint8_t>(16'385)).error().reason == "record-overflow");
    CHECK(call.server->late_ticket(nonsense).error().reason == "keys-unavailable");
    CHECK(Call(Ends(Version::tls12)).client->late_ticket(nonsense).error().reason == "keys-unavailable");
    CHECK_FALSE(Call(ends).resumed());
}

TEST_CASE("tickets are kept up to a number, and the newest is used first") {
    for (const Version version : kVersions) {
        ClientSessions sessions(1h);
        CHECK(sessions.wants(kServer));
        CHECK(sessions.take(kServer, kStart, {}).session == nullptr);
        for (std::size_t i = 0; i < ClientSessions::kMostTickets + 2; ++i) {
            SslSessionPtr session = some_session();
            SSL_SESSION_set_protocol_version(session.get(),
                                             version == Version::tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
            sessions.keep(kServer, {.session = std::move(session), .begun = kStart + std::chrono::seconds(i)});
        }
        CHECK_FALSE(sessions.wants(kServer));
        CHECK(sessions.take(kServer, kStart, {}).begun == kStart + 33s);
        CHECK(sessions.take(kServer, kStart, {}).begun == kStart + (version == Version::tls13 ? 32s : 33s));
        CHECK(sessions.take(kServer, kStart + 1h + 33s, {}).session == nullptr);
    }
}

TEST_CASE("of so many servers tickets are kept, and no more") {
    ClientSessions sessions(1h);
    for (std::size_t i = 0; i <= ClientSessions::kMostServers; ++i) {
        const std::string server = std::to_string(i);
        CHECK(sessions.wants(server) == (i < ClientSessions::kMostServers));
        sessions.keep(server, {.session = some_session(), .begun = kStart});
        CHECK(bool(sessions.take(server, kStart, {}).session) == (i < ClientSessions::kMostServers));
    }
}
