// The traps of splice(2) on a socket that the kernel decrypts, sprung on a session that relays.

#include <doctest/doctest.h>

#include <array>
#include <cerrno>

#include "daemon/relay/session.hpp"
#include "tests/support/kernel.hpp"
#include "tests/support/reading.hpp"
#include "tests/support/relayed_session.hpp"
#include "tests/support/tls_pair.hpp"

using namespace keysluice;
using namespace keysluice::test;
using keysluice::testing::pattern;
using ktls::AlertDescription;
using ktls::ContentType;
using ktls::Version;

using Alerts = std::vector<AlertDescription>;

namespace {

/// In a fifth of a second; a spin would be tens of thousands, even on a slow machine thousands.
constexpr int kFewWakeUps = 20;

void check_refused(RelayedSession& relayed, AlertDescription alert, std::string_view reason) {
    CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
    CHECK(relayed.outcome == reason);
    CHECK(relayed.tls.alerts == Alerts{alert});
    CHECK(relayed.plain.error == ECONNRESET);
}

/// The plaintext side takes nothing any more, all of TLS was read, and the last of it waits in a pipe.
void fill_up(RelayedSession& relayed) {
    relayed.plain.reads = false;
    const auto chunk = pattern(16384);
    for (int count = 0; relayed.entry.pipe_to_plain == 0; ++count) {
        REQUIRE(count < 10'000);
        relayed.tls.say(chunk);
        relayed.turn();
        relayed.turn();
    }
    relayed.turn_for(std::chrono::milliseconds(20));
    REQUIRE(relayed.tls.said_all());
    REQUIRE(relayed.entry.pipe_to_plain != 0);
}

}  // namespace

TEST_SUITE("kernel") {
    TEST_CASE_TEMPLATE("trap: an empty record is no end", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version);
        relayed.tls.say(ContentType::application_data, {});
        relayed.turn_for(std::chrono::milliseconds(50));
        CHECK_FALSE(relayed.over());
        CHECK_FALSE(relayed.plain.over());

        relayed.tls.say(as_bytes("one"));
        relayed.tls.say(ContentType::application_data, {});
        relayed.tls.say(ContentType::application_data, {});
        relayed.tls.say(as_bytes("two"));
        relayed.tls.say(ContentType::application_data, {});
        relayed.tls.say_alert(AlertDescription::close_notify);
        CHECK(relayed.turn_until([&] { return relayed.plain.over(); }));
        CHECK(as_text(relayed.plain.received) == "onetwo");
        CHECK(relayed.plain.ended);
    }

    TEST_CASE("trap: an empty record before the real end hides nothing of it") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        relayed.tls.say(ContentType::application_data, {});
        relayed.tls.say_end();
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(relayed.outcome == "truncated");
        CHECK(relayed.plain.error == ECONNRESET);
    }

    TEST_CASE_TEMPLATE("trap: a partial record after our FIN burns no CPU", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version);
        relayed.plain.say_end();
        REQUIRE(relayed.turn_until([&] { return relayed.tls.over(); }));
        RecordSealer sealer(TestKeys::make(V::version, ktls::Cipher::chacha20_poly1305, 1));
        const RecordBytes record = sealer.seal(ContentType::application_data, as_bytes("in two parts"));
        relayed.tls.say_raw(Bytes(record).first(10));
        relayed.turn_for(std::chrono::milliseconds(20));
        CHECK(relayed.wake_ups() < kFewWakeUps);

        relayed.tls.say_raw(Bytes(record).subspan(10));
        CHECK(relayed.turn_until([&] { return !relayed.plain.received.empty(); }));
        CHECK(as_text(relayed.plain.received) == "in two parts");
    }

    TEST_CASE("trap: neither does one whose rest never comes because the peer ended, or a full plaintext side") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        SUBCASE("a close_notify without FIN, while the plaintext side says nothing") {
            relayed.tls.say_alert(AlertDescription::close_notify);
            relayed.tls.say(as_bytes("unread"));
        }
        SUBCASE("a close_notify with FIN") {
            relayed.tls.say_alert(AlertDescription::close_notify);
            relayed.tls.say_end();
        }
        SUBCASE("nobody takes the data") {
            fill_up(relayed);
            relayed.tls.say(pattern(100'000));
        }
        relayed.turn_for(std::chrono::milliseconds(20));
        CHECK(relayed.wake_ups() < kFewWakeUps);
        CHECK_FALSE(relayed.over());
    }

    TEST_CASE("trap: a peer that sends a record in ten thousand pieces gets no more of our CPU") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        relayed.tls.say_raw(std::vector<std::uint8_t>{23, 3, 3, 0x40, 0});
        int sent = 0;
        for (; sent < 300 && !relayed.over(); ++sent) {
            relayed.tls.say_raw(std::vector<std::uint8_t>{0});
            relayed.turn(std::chrono::milliseconds(0));
        }
        CHECK(sent == 300);
        CHECK_FALSE(relayed.over());
    }

    TEST_CASE_TEMPLATE("trap: EINVAL is a control record, and what is around it passes", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version);
        relayed.tls.say(as_bytes("before "));
        relayed.tls.say_alert(AlertDescription::user_canceled);
        relayed.tls.say(as_bytes("behind"));
        CHECK(relayed.turn_until([&] { return relayed.plain.received.size() == 13; }));
        CHECK(as_text(relayed.plain.received) == "before behind");
        CHECK_FALSE(relayed.over());
    }

    TEST_CASE_TEMPLATE("trap: EINVAL is garbage: an alert, and the end", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version);
        SUBCASE("alone") {
            relayed.tls.say_raw(garbage_header());
        }
        SUBCASE("a record that is too long") {
            relayed.tls.say_raw(oversized_header());
        }
        SUBCASE("behind data that is in the pipe already") {
            relayed.tls.say(pattern(30'000));
            relayed.tls.say_raw(garbage_header());
        }
        SUBCASE("behind an empty record") {
            relayed.tls.say(ContentType::application_data, {});
            relayed.tls.say_raw(garbage_header());
        }
        SUBCASE("behind a control record") {
            relayed.tls.say_alert(AlertDescription::user_canceled);
            relayed.tls.say_raw(garbage_header());
        }
        SUBCASE("after our FIN") {
            relayed.plain.say_end();
            REQUIRE(relayed.turn_until([&] { return relayed.tls.over(); }));
            relayed.tls.alerts.clear();
            relayed.tls.say_raw(garbage_header());
            CHECK(relayed.turn_until([&] { return relayed.over(); }));
            CHECK(relayed.outcome == "bad-record");
            return;
        }
        check_refused(relayed, AlertDescription::unexpected_message, "bad-record");
    }

    TEST_CASE("trap: garbage while the plaintext side takes nothing") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        fill_up(relayed);
        relayed.tls.say_raw(garbage_header());
        relayed.turn_for(std::chrono::milliseconds(20));
        SUBCASE("is found when it reads on") {
            relayed.plain.reads = true;
        }
        SUBCASE("is found when there is something to send to the peer") {
            relayed.plain.say(as_bytes("an answer"));
            REQUIRE(relayed.turn_until([&] { return relayed.over(); }));
            relayed.plain.reads = true;
        }
        check_refused(relayed, AlertDescription::unexpected_message, "bad-record");
    }

    TEST_CASE_TEMPLATE("trap: EAGAIN is a pipe without free slots", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        for (const std::size_t count : {15UL, 16UL, 17UL, 40UL}) {
            CAPTURE(count);
            RelayedSession relayed(V::version);
            const auto data = pattern(count);
            for (const std::uint8_t& byte : data) {
                relayed.tls.say(ContentType::application_data, Bytes(&byte, 1));
            }
            CHECK(relayed.turn_until([&] { return relayed.plain.received.size() == count; }));
            CHECK((relayed.plain.received == data));
            CHECK(relayed.borrowed_pipes() == 0);
        }
    }

    TEST_CASE("trap: a ticket and a KeyUpdate in one record") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        relayed.tls.say(as_bytes("old keys"));
        relayed.tls.say(ContentType::handshake, std::array<std::uint8_t, 9>{4, 0, 0, 0, 24, 0, 0, 1, 1});
        RecordSealer sealer(TestKeys::make(Version::tls13, ktls::Cipher::chacha20_poly1305, 150));
        relayed.tls.say_raw(sealer.seal(ContentType::application_data, as_bytes("new keys")));
        check_refused(relayed, AlertDescription::internal_error, "kernel-no-rekey");
    }
}
