// A relay dies in the middle of a connection, and a successor takes it up.

#include <doctest/doctest.h>
#include <sys/ioctl.h>

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
using ktls::Version;

using Alerts = std::vector<AlertDescription>;

namespace {

constexpr std::size_t kMebibyte = 1'048'576;

/// Both directions are stuck with bytes in a pipe each.
void jam(RelayedSession& relayed) {
    relayed.tls.reads = false;
    relayed.plain.reads = false;
    REQUIRE(relayed.turn_until([&] { return relayed.entry.pipe_to_plain != 0 && relayed.entry.pipe_to_tls != 0; }));
    relayed.turn_for(std::chrono::milliseconds(20));
    REQUIRE(relayed.entry.pipe_to_plain != 0);
    REQUIRE(relayed.entry.pipe_to_tls != 0);
    REQUIRE(relayed.entry.pipe_to_plain != relayed.entry.pipe_to_tls);
}

void unjam(RelayedSession& relayed) {
    relayed.tls.reads = true;
    relayed.plain.reads = true;
}

}  // namespace

TEST_SUITE("kernel") {
    TEST_CASE_TEMPLATE("bytes that are in pipes go on, in both directions", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version, plain_unix_pair());
        relayed.shrink_buffers(64 * 1024);
        const auto up = pattern(2 * kMebibyte);
        const auto down = pattern(2 * kMebibyte + 1);
        relayed.tls.say(up);
        relayed.plain.say(down);
        jam(relayed);
        relayed.replace();
        jam(relayed);
        relayed.replace();
        unjam(relayed);
        CHECK(relayed.turn_until([&] {
            return relayed.plain.received.size() == up.size() && relayed.tls.received.size() == down.size();
        }));
        CHECK((relayed.plain.received == up));
        CHECK((relayed.tls.received == down));
        CHECK_FALSE(relayed.over());
        CHECK(relayed.entry.pipe_to_plain == 0);
        CHECK(relayed.entry.pipe_to_tls == 0);
    }

    TEST_CASE("fifty deaths at any moment of a flow lose and repeat nothing") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        const auto up = pattern(4 * kMebibyte);
        const auto down = pattern(4 * kMebibyte + 1);
        relayed.tls.say(up);
        relayed.tls.say_alert(AlertDescription::close_notify);
        relayed.plain.say(down);
        relayed.plain.say_end();
        for (int deaths = 0; deaths < 50 && !relayed.over(); ++deaths) {
            relayed.turn();
            relayed.turn();
            if (!relayed.over()) {
                relayed.replace();
            }
        }
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK((relayed.plain.received == up));
        CHECK((relayed.tls.received == down));
        CHECK(relayed.outcome == "");
        CHECK(relayed.plain.ended);
        CHECK(relayed.tls.alerts == Alerts{AlertDescription::close_notify});
    }

    TEST_CASE("bytes in a pipe, and the end that was read behind them") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(Version::tls13, plain_unix_pair());
        relayed.plain.reads = false;
        // Less than a pipe takes, so that a fill ends with the alert, and more than the unix socket takes.
        std::vector<std::uint8_t> said;
        for (std::size_t size = 9000; relayed.entry.pipe_to_plain == 0; size += 100) {
            const auto data = pattern(size);
            said.insert(said.end(), data.begin(), data.end());
            relayed.tls.say(data);
            relayed.turn();
        }
        relayed.plain.reads = true;
        relayed.plain.pump();
        relayed.plain.reads = false;
        const auto rest = pattern(60'000);
        said.insert(said.end(), rest.begin(), rest.end());
        relayed.tls.say(rest);
        relayed.tls.say_alert(AlertDescription::close_notify);
        relayed.turn_for(std::chrono::milliseconds(20));
        relayed.replace();
        CHECK_FALSE(relayed.over());
        relayed.plain.reads = true;
        CHECK(relayed.turn_until([&] { return relayed.plain.over(); }));
        CHECK((relayed.plain.received == said));
        relayed.plain.say_end();
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(relayed.outcome == "");
    }

    TEST_CASE_TEMPLATE("an end of TLS that was passed on stays one", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version);
        relayed.tls.say(as_bytes("question"));
        relayed.tls.say_alert(AlertDescription::close_notify);
        relayed.tls.say_end();
        REQUIRE(relayed.turn_until([&] { return relayed.plain.over(); }));
        CHECK((relayed.entry.flags & TableEntry::kTlsEnded) != 0);
        relayed.replace();
        relayed.turn_for(std::chrono::milliseconds(20));
        CHECK_FALSE(relayed.over());
        relayed.plain.say(as_bytes("answer"));
        relayed.plain.say_end();
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(as_text(relayed.tls.received) == "answer");
        CHECK(relayed.tls.alerts == Alerts{AlertDescription::close_notify});
        CHECK(relayed.outcome == "");
    }

    TEST_CASE_TEMPLATE("an end of the plaintext side is said once", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version);
        relayed.plain.say_end();
        REQUIRE(relayed.turn_until([&] { return relayed.tls.over(); }));
        CHECK(relayed.entry.flags == (TableEntry::kPlainEnded | TableEntry::kNotifySent));
        relayed.replace();
        relayed.tls.say(as_bytes("question"));
        relayed.tls.say_alert(AlertDescription::close_notify);
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(as_text(relayed.plain.received) == "question");
        CHECK(relayed.plain.ended);
        CHECK(relayed.tls.alerts == Alerts{AlertDescription::close_notify});
        CHECK(relayed.outcome == "");
    }

    TEST_CASE("an end of the plaintext side that was read, but not passed on yet") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        relayed.entry.flags = TableEntry::kPlainEnded;
        SUBCASE("nothing was said") {
            relayed.replace();
            CHECK(relayed.turn_until([&] { return relayed.tls.over(); }));
            CHECK(relayed.tls.alerts == Alerts{AlertDescription::close_notify});
        }
        SUBCASE("the alert was, the FIN was not") {
            relayed.entry.flags |= TableEntry::kNotifySent;
            relayed.replace();
            CHECK(relayed.turn_until([&] { return relayed.tls.over(); }));
            CHECK(relayed.tls.alerts.empty());
        }
        CHECK(relayed.tls.ended);
    }

    TEST_CASE("after both ends there is nothing left to do") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        relayed.entry.flags = TableEntry::kTlsEnded | TableEntry::kPlainEnded | TableEntry::kNotifySent;
        relayed.replace();
        CHECK(relayed.over());
        CHECK(relayed.outcome == "");
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(relayed.plain.ended);
    }

    TEST_CASE("a connection that is idle at the death is taken up too, and still resets when all are gone") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed;
        relayed.replace();
        relayed.turn_for(std::chrono::milliseconds(20));
        relayed.tls.say(as_bytes("hello"));
        CHECK(relayed.turn_until([&] { return relayed.plain.received.size() == 5; }));
        relayed.die();
        relayed.turn();
        CHECK(relayed.plain.error == ECONNRESET);
    }

    TEST_CASE("the pipe of a session that broke is empty for the next one") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(Version::tls13, plain_unix_pair());
        relayed.plain.reads = false;
        relayed.tls.say(pattern(4 * kMebibyte));
        REQUIRE(relayed.turn_until([&] { return relayed.entry.pipe_to_plain != 0; }));
        relayed.turn_for(std::chrono::milliseconds(20));
        REQUIRE(relayed.entry.pipe_to_plain != 0);
        relayed.plain.fd.reset();
        CHECK(relayed.turn_until([&] { return relayed.over(); }));
        CHECK(relayed.entry.pipe_to_plain == 0);
        CHECK(relayed.borrowed_pipes() == 0);
        while (relayed.pool().unused() > 0) {
            int left = -1;
            REQUIRE(::ioctl(relayed.pool().borrow()->read_end.get(), FIONREAD, &left) == 0);
            CHECK(left == 0);
        }
    }
}
