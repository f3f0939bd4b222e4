// What a session says to records that carry no application data.

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <numeric>

#include "daemon/relay/session.hpp"
#include "tests/support/kernel.hpp"
#include "tests/support/reading.hpp"
#include "tests/support/relayed_session.hpp"

using namespace keysluice;
using namespace keysluice::test;
using ktls::AlertDescription;
using ktls::ContentType;
using ktls::Version;

using Alerts = std::vector<AlertDescription>;

namespace {

RecordBytes message(std::uint8_t type, std::size_t size) {
    Writer writer;
    writer.be(type).be(static_cast<std::uint8_t>(size >> 16U)).be(static_cast<std::uint16_t>(size));
    return std::move(writer.raw(RecordBytes(size, 0xaa))).release();
}

constexpr std::uint8_t kTicket = 4;

void check_alive(RelayedSession& relayed) {
    relayed.tls.say(as_bytes("question"));
    relayed.plain.say(as_bytes("answer"));
    CHECK(relayed.turn_until([&] { return relayed.plain.received.size() == 8 && relayed.tls.received.size() == 6; }));
    CHECK(as_text(relayed.plain.received) == "question");
    CHECK(as_text(relayed.tls.received) == "answer");
    CHECK_FALSE(relayed.over());
}

void check_refused(RelayedSession& relayed, AlertDescription alert, std::string_view reason) {
    CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
    CHECK(relayed.outcome == reason);
    CHECK(relayed.tls.alerts == Alerts{alert});
    CHECK(relayed.plain.error == ECONNRESET);
}

void say_empty_records(RelayedSession& relayed, int count) {
    // One by one: of several in a row that are there at once the kernel tells as of one.
    for (int sent = 0; sent < count; ++sent) {
        relayed.tls.say(ContentType::application_data, {});
        relayed.turn_for(std::chrono::milliseconds(5));
    }
}

}  // namespace

TEST_SUITE("kernel") {
    TEST_CASE("a KeyUpdate ends the connection with internal_error") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        SUBCASE("alone") {}
        SUBCASE("behind data") {
            relayed.tls.say(as_bytes("data"));
        }
        relayed.tls.say(ContentType::handshake, std::array<std::uint8_t, 5>{24, 0, 0, 1, 0});
        check_refused(relayed, AlertDescription::internal_error, "kernel-no-rekey");
    }

    TEST_CASE("a KeyUpdate that is none") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        relayed.tls.say(ContentType::handshake, std::array<std::uint8_t, 5>{24, 0, 0, 1, 2});
        check_refused(relayed, AlertDescription::illegal_parameter, "malformed-key-update");
    }

    TEST_CASE_TEMPLATE("32 records without data are borne, one more is a flood", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version);
        say_empty_records(relayed, 32);
        SUBCASE("data in between starts the count again") {
            check_alive(relayed);
            say_empty_records(relayed, 32);
            CHECK_FALSE(relayed.over());
        }
        SUBCASE("one more") {
            CHECK_FALSE(relayed.over());
            relayed.tls.say(ContentType::application_data, {});
            check_refused(relayed, AlertDescription::unexpected_message, "record-flood");
        }
        SUBCASE("of any kind") {
            CHECK_FALSE(relayed.over());
            relayed.tls.say_alert(AlertDescription::user_canceled);
            check_refused(relayed, AlertDescription::unexpected_message, "record-flood");
        }
    }

    TEST_CASE("a real flood of empty records is one too") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        for (int count = 0; count < 20'000; ++count) {
            relayed.tls.say(ContentType::application_data, {});
        }
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(relayed.outcome == "record-flood");
    }

    TEST_CASE("TLS 1.2: a renegotiation is declined, and the connection lives") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(Version::tls12);
        SUBCASE("a client's") {
            relayed.tls.say(ContentType::handshake, message(1, 200));
        }
        SUBCASE("a server's") {
            relayed.tls.say(ContentType::handshake, message(0, 0));
        }
        CHECK(relayed.turn_until([&] { return !relayed.tls.alerts.empty(); }));
        CHECK(relayed.tls.alerts == Alerts{AlertDescription::no_renegotiation});
        check_alive(relayed);
    }

    TEST_CASE("TLS 1.3 knows no renegotiation") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        relayed.tls.say(ContentType::handshake, message(1, 200));
        check_refused(relayed, AlertDescription::unexpected_message, "unexpected-handshake-message");
    }

    TEST_CASE_TEMPLATE("session tickets go by", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version);
        const RecordBytes ticket = message(kTicket, 200);
        std::size_t whole = 0;  ///< of which the host is told
        SUBCASE("one") {
            relayed.tls.say(ContentType::handshake, ticket);
            whole = 1;
        }
        SUBCASE("two records") {
            whole = 2;
            relayed.tls.say(ContentType::handshake, ticket);
            relayed.tls.say(ContentType::handshake, ticket);
        }
        SUBCASE("two in one record") {
            whole = 2;
            RecordBytes two = ticket;
            two.insert(two.end(), ticket.begin(), ticket.end());
            relayed.tls.say(ContentType::handshake, two);
        }
        SUBCASE("one in three records") {
            relayed.tls.say(ContentType::handshake, Bytes(ticket).first(50));
            relayed.tls.say(ContentType::handshake, Bytes(ticket).subspan(50, 100));
            relayed.tls.say(ContentType::handshake, Bytes(ticket).subspan(150));
        }
        SUBCASE("the rest of one, and a whole one behind it") {
            whole = 1;
            RecordBytes rest(ticket.begin() + 50, ticket.end());
            rest.insert(rest.end(), ticket.begin(), ticket.end());
            relayed.tls.say(ContentType::handshake, Bytes(ticket).first(50));
            relayed.tls.say(ContentType::handshake, rest);
        }
        SUBCASE("cut inside its header") {
            whole = 3;
            for (const std::size_t cut : {1UL, 2UL, 3UL, 4UL}) {
                relayed.tls.say(ContentType::handshake, Bytes(ticket).first(cut));
                relayed.tls.say(ContentType::handshake, Bytes(ticket).subspan(cut));
            }
        }
        check_alive(relayed);
        CHECK(relayed.tls.alerts.empty());
        REQUIRE(relayed.tickets.size() == (V::version == Version::tls13 ? whole : 0));
        for (const auto& told : relayed.tickets) {
            CHECK(told == ticket);
        }
    }

    TEST_CASE("other handshake messages have no place") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        SUBCASE("CertificateRequest, which was never offered") {
            relayed.tls.say(ContentType::handshake, message(13, 30));
        }
        SUBCASE("Finished") {
            relayed.tls.say(ContentType::handshake, message(20, 32));
        }
        SUBCASE("behind a ticket") {
            RecordBytes both = message(kTicket, 10);
            const RecordBytes other = message(13, 30);
            both.insert(both.end(), other.begin(), other.end());
            relayed.tls.say(ContentType::handshake, both);
        }
        SUBCASE("the beginning of one") {
            relayed.tls.say(ContentType::handshake, Bytes(message(13, 30)).first(20));
        }
        check_refused(relayed, AlertDescription::unexpected_message, "unexpected-handshake-message");
    }

    TEST_CASE("an empty handshake record") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        relayed.tls.say(ContentType::handshake, {});
        check_refused(relayed, AlertDescription::unexpected_message, "empty-handshake-record");
    }

    TEST_CASE_TEMPLATE("a record of another type", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version);
        SUBCASE("change_cipher_spec") {
            relayed.tls.say(ContentType::change_cipher_spec, std::array<std::uint8_t, 1>{1});
        }
        SUBCASE("heartbeat") {
            relayed.tls.say(ContentType{24}, as_bytes("are you there"));
        }
        SUBCASE("unheard of") {
            relayed.tls.say(ContentType{99}, as_bytes("?"));
        }
        check_refused(relayed, AlertDescription::unexpected_message, "unexpected-record");
    }

    TEST_CASE_TEMPLATE("a record that does not decrypt resets both sides", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version);
        SUBCASE("alone") {}
        SUBCASE("behind data") {
            relayed.tls.say(as_bytes("data"));
        }
        relayed.tls.say_forged(as_bytes("forged"));
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(relayed.outcome == "bad-record-mac");
        CHECK(relayed.plain.error == ECONNRESET);
        CHECK(relayed.tls.failure == "connection-reset");
        CHECK(relayed.tls.alerts.empty());
    }

    TEST_CASE_TEMPLATE("a fatal alert resets both sides", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version);
        relayed.tls.say(as_bytes("data"));
        relayed.tls.say_alert(AlertDescription::internal_error);
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(relayed.outcome == "peer-alert");
        CHECK(relayed.plain.error == ECONNRESET);
        CHECK(relayed.tls.alerts.empty());
    }

    TEST_CASE("an alert of another size") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        relayed.tls.say(ContentType::alert, std::array<std::uint8_t, 4>{1, 0, 1, 0});
        check_refused(relayed, AlertDescription::decode_error, "malformed-alert");
    }
}
