// How a relayed connection ends, and what each side gets to see of it.

#include "daemon/relay/session.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <cerrno>

#include "tests/support/kernel.hpp"
#include "tests/support/reading.hpp"
#include "tests/support/relayed_session.hpp"
#include "tests/support/tls_pair.hpp"

using namespace keysluice;
using namespace keysluice::test;
using keysluice::testing::pattern;
using ktls::AlertDescription;
using ktls::Version;

using Alerts = std::vector<AlertDescription>;

namespace {

/// Both directions carry bytes.
void check_alive(RelayedSession& relayed) {
    relayed.tls.received.clear();
    relayed.plain.received.clear();
    relayed.tls.say(as_bytes("question"));
    relayed.plain.say(as_bytes("answer"));
    CHECK(relayed.turn_until([&] { return relayed.plain.received.size() == 8 && relayed.tls.received.size() == 6; }));
    CHECK(as_text(relayed.plain.received) == "question");
    CHECK(as_text(relayed.tls.received) == "answer");
}

}  // namespace

TEST_SUITE("kernel") {
    TEST_CASE_TEMPLATE("bytes pass both ways, and an idle session holds no pipe", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version);
        CHECK(relayed.borrowed_pipes() == 0);
        check_alive(relayed);
        CHECK(relayed.pool().size() == 1);
        CHECK(relayed.borrowed_pipes() == 0);
        CHECK(relayed.entry.pipe_to_plain == 0);
        CHECK(relayed.entry.pipe_to_tls == 0);
        CHECK_FALSE(relayed.over());
    }

    TEST_CASE("the plaintext side may be a unix socket") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(Version::tls13, plain_unix_pair());
        check_alive(relayed);
        relayed.plain.say_end();
        relayed.tls.say_alert(AlertDescription::close_notify);
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(relayed.outcome == "");
        CHECK(relayed.plain.ended);
        CHECK(relayed.tls.alerts == Alerts{AlertDescription::close_notify});
    }

    TEST_CASE_TEMPLATE("data, alert and FIN at once: all data comes, then the end", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        for (const std::size_t size : {1UL, 16384UL, 65536UL, 65537UL, 300'000UL}) {
            CAPTURE(size);
            RelayedSession relayed(V::version);
            const auto data = pattern(size);
            relayed.tls.say(data);
            relayed.tls.say_alert(AlertDescription::close_notify);
            relayed.tls.say_end();
            CHECK(relayed.turn_until([&] { return relayed.plain.over(); }));
            CHECK(relayed.plain.error == 0);
            CHECK((relayed.plain.received == data));
            CHECK_FALSE(relayed.over());
            relayed.plain.say(as_bytes("thanks"));
            relayed.plain.say_end();
            CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
            CHECK(relayed.outcome == "");
            CHECK(as_text(relayed.tls.received) == "thanks");
            CHECK(relayed.tls.alerts == Alerts{AlertDescription::close_notify});
            CHECK(relayed.tls.ended);
        }
    }

    TEST_CASE_TEMPLATE("the plaintext side ends first: TLS gets close_notify, then FIN, and can go on", V, Tls12,
                       Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version);
        relayed.plain.say(as_bytes("all I have"));
        relayed.plain.say_end();
        CHECK(relayed.turn_until([&] { return relayed.tls.over(); }));
        CHECK(as_text(relayed.tls.received) == "all I have");
        CHECK(relayed.tls.alerts == Alerts{AlertDescription::close_notify});
        CHECK_FALSE(relayed.tls.data_behind_alert);
        CHECK_FALSE(relayed.plain.over());
        CHECK_FALSE(relayed.over());

        const auto late = pattern(100'000);
        relayed.tls.say(late);
        relayed.tls.say_alert(AlertDescription::close_notify);
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK((relayed.plain.received == late));
        CHECK(relayed.plain.ended);
        CHECK(relayed.outcome == "");
    }

    TEST_CASE_TEMPLATE("TLS ends first: the plaintext side sees the end and can go on", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version);
        relayed.tls.say_alert(AlertDescription::close_notify);
        SUBCASE("with its FIN") {
            relayed.tls.say_end();
        }
        SUBCASE("without one") {}
        CHECK(relayed.turn_until([&] { return relayed.plain.over(); }));
        CHECK(relayed.plain.ended);
        const auto late = pattern(100'000);
        relayed.plain.say(late);
        relayed.plain.say_end();
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK((relayed.tls.received == late));
        CHECK(relayed.tls.alerts == Alerts{AlertDescription::close_notify});
        CHECK(relayed.tls.ended);
        CHECK(relayed.outcome == "");
    }

    TEST_CASE("what comes behind close_notify is ignored") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        relayed.tls.say_alert(AlertDescription::close_notify);
        relayed.tls.say(as_bytes("one more thing"));
        CHECK(relayed.turn_until([&] { return relayed.plain.over(); }));
        relayed.turn_for(std::chrono::milliseconds(50));
        CHECK(relayed.plain.received.empty());
        CHECK(relayed.plain.ended);
        CHECK_FALSE(relayed.over());
    }

    TEST_CASE_TEMPLATE("a FIN without close_notify reaches the plaintext side as a reset", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version);
        SUBCASE("at once") {}
        SUBCASE("behind data") {
            relayed.tls.say(as_bytes("pay 100"));
        }
        relayed.tls.say_end();
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(relayed.plain.error == ECONNRESET);
        CHECK_FALSE(relayed.plain.ended);
        CHECK(relayed.outcome == "truncated");
        CHECK(relayed.tls.failure == "connection-reset");
    }

    TEST_CASE("a FIN in the middle of a record is a truncation too") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        relayed.tls.say(as_bytes("whole"));
        relayed.tls.say_raw(std::vector<std::uint8_t>{23, 3, 3, 0, 100, 1, 2, 3});
        relayed.tls.say_end();
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(relayed.plain.error == ECONNRESET);
        CHECK(relayed.outcome == "truncated");
    }

    TEST_CASE("our close_notify may be answered with a bare FIN: an end, but no clean one for who still reads") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        relayed.plain.say_end();
        CHECK(relayed.turn_until([&] { return relayed.tls.over(); }));
        relayed.tls.say_end();
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(relayed.outcome == "");
        CHECK(relayed.plain.error == ECONNRESET);
        CHECK(relayed.tls.failure.empty());
    }

    TEST_CASE("a reset of the plaintext side reaches TLS as a reset, without close_notify") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        check_alive(relayed);
        close_with_reset(relayed.plain.fd);
        CHECK(relayed.turn_until([&] { return relayed.over() && relayed.tls.over(); }));
        CHECK(relayed.outcome == "plain-side-reset");
        CHECK(relayed.tls.failure == "connection-reset");
        CHECK(relayed.tls.alerts.empty());
        CHECK_FALSE(relayed.tls.ended);
    }

    TEST_CASE("also when a write learns of it first, behind which the socket reads as if it had ended") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        check_alive(relayed);
        relayed.tls.say(as_bytes("nobody reads this"));
        relayed.tls.pump();  // the relay hears of this first
        close_with_reset(relayed.plain.fd);
        CHECK(relayed.turn_until([&] { return relayed.over() && relayed.tls.over(); }));
        CHECK(relayed.outcome == "plain-side-reset");
        CHECK(relayed.tls.failure == "connection-reset");
        CHECK(relayed.tls.alerts.empty());
    }

    TEST_CASE("a reset of the TLS side reaches the plaintext side as a reset") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        check_alive(relayed);
        relayed.tls.say_reset();
        CHECK(relayed.turn_until([&] { return relayed.over() && relayed.plain.over(); }));
        CHECK(relayed.outcome != "");
        CHECK(relayed.plain.error == ECONNRESET);
    }

    TEST_CASE("also when TLS had ended before, so that nothing is read from it any more") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        relayed.tls.say_alert(AlertDescription::close_notify);
        CHECK(relayed.turn_until([&] { return relayed.plain.over(); }));
        relayed.plain.say(as_bytes("into the void"));
        relayed.turn_for(std::chrono::milliseconds(20));
        relayed.tls.say_reset();
        CHECK(relayed.turn_until([&] { return relayed.over(); }));
        CHECK(relayed.outcome == "tls-side-reset");
        int error = 0;
        socklen_t size = sizeof(error);
        REQUIRE(::getsockopt(relayed.plain.fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0);
        CHECK(error == EPIPE);  // what a reset is behind a FIN
    }

    TEST_CASE("the death of all holders is a reset for the plaintext side, not an end of data") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        SUBCASE("while both talk") {
            check_alive(relayed);
        }
        SUBCASE("when the plaintext side has ended") {
            relayed.plain.say_end();
            CHECK(relayed.turn_until([&] { return relayed.tls.over(); }));
        }
        relayed.die();
        relayed.turn();
        CHECK(relayed.plain.error == ECONNRESET);
        CHECK_FALSE(relayed.plain.ended);
    }

    TEST_CASE("one side has ended and the other falls silent: both are reset when the time is over") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(Version::tls13, plain_tcp_pair(), std::chrono::milliseconds(100));
        SUBCASE("the plaintext side ended") {
            relayed.plain.say_end();
        }
        SUBCASE("TLS ended") {
            relayed.tls.say_alert(AlertDescription::close_notify);
        }
        CHECK(relayed.turn_until([&] { return relayed.over(); }));
        CHECK(relayed.outcome == "close-timeout");
    }

    TEST_CASE("as long as the other side talks, the time is not over") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(Version::tls13, plain_tcp_pair(), std::chrono::milliseconds(300));
        relayed.plain.say_end();
        for (int round = 0; round < 10; ++round) {
            relayed.turn_for(std::chrono::milliseconds(60));
            relayed.tls.say(as_bytes("x"));
        }
        relayed.tls.say_alert(AlertDescription::close_notify);
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(relayed.outcome == "");
        CHECK(relayed.plain.received.size() == 10);
    }
}
