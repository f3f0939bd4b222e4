#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <string>

#include "ktls/socket.hpp"
#include "tests/support/rekeyed.hpp"

using namespace keysluice;
using namespace keysluice::test;
using ktls::AlertDescription;
using ktls::Version;

TEST_SUITE("kernel") {
    TEST_CASE("keys are changed after a volume that we sent, and the peer is asked once") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed({.volume = kVolume});
        relayed.check_both_ways("first ");
        CHECK(relayed.tls.key_updates.empty());
        relayed.much_down();
        CHECK(relayed.hears({true}));
        relayed.much_down();
        CHECK(relayed.hears({true, false}));  // the first answer is still to come
        relayed.tls.change_keys(false);
        relayed.check_both_ways("second ");
        CHECK(relayed.secrets.send.changes == 2);
        CHECK(relayed.secrets.receive.changes == 1);
        relayed.much_down();
        CHECK(relayed.hears({true, false, true}));
        relayed.check_both_ways("third ");
    }

    TEST_CASE("keys are changed after a volume that we received") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed({.volume = kVolume});
        relayed.much_up();
        CHECK(relayed.hears({true}));
        relayed.much_up();
        relayed.check_both_ways("the answer takes its time ");
        CHECK(relayed.tls.key_updates == Updates{true});
        relayed.tls.change_keys(false);
        relayed.much_up();
        CHECK(relayed.hears({true, true}));
        relayed.tls.change_keys(false);
        relayed.check_both_ways("end ");
        CHECK(relayed.secrets.receive.changes == 2);
    }

    TEST_CASE("keys are changed after a time, while nobody says anything, and after a death too") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed({.time = std::chrono::hours(1)});
        relayed.entry.keys_since = now() - std::chrono::minutes(59);
        relayed.replace();
        relayed.check_both_ways("not yet ");
        CHECK(relayed.tls.key_updates.empty());
        relayed.entry.keys_since = now() - std::chrono::hours(1);
        relayed.replace();
        CHECK(relayed.hears({true}));
        CHECK(relayed.entry.keys_since > now() - std::chrono::minutes(59));
        relayed.tls.change_keys(false);
        relayed.check_both_ways("new keys ");
    }

    TEST_CASE("keys are changed before their limit, whatever the configuration says") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed(RekeyAfter{});
        relayed.much_down();
        relayed.much_up();
        relayed.check_both_ways("old keys ");
        CHECK(relayed.tls.key_updates.empty());
        (relayed.entry.keys.sent > relayed.entry.keys.received ? relayed.entry.keys.sent
                                                               : relayed.entry.keys.received) = kMostOctetsOfKeys - 1;
        relayed.tls.say(as_bytes("x"));
        relayed.plain.say(as_bytes("x"));
        CHECK(relayed.hears({true}));
    }

    TEST_CASE("the peer's KeyUpdate crosses ours") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed({.volume = kVolume});
        relayed.much_down();
        CHECK(relayed.hears({true}));
        // It has not read ours yet, and asks us too: RFC 8446 4.6.3, "each side increments by two generations".
        relayed.tls.change_keys(true);
        CHECK(relayed.hears({true, false}));
        relayed.tls.change_keys(false);
        relayed.check_both_ways("after ");
        CHECK(relayed.secrets.send.changes == 2);
        CHECK(relayed.secrets.receive.changes == 2);
        CHECK(relayed.tls.key_updates == Updates{true, false});
    }

    TEST_CASE("an answer that is due is no question, though our keys are used up too") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed({.volume = kVolume});
        relayed.entry.keys.sent = kVolume;
        relayed.entry.keys.received = kVolume;
        relayed.tls.change_keys(true);
        relayed.check_both_ways("data ");
        CHECK(relayed.tls.key_updates == Updates{false});
        CHECK(relayed.entry.keys.asked == 0);
    }

    TEST_CASE("a hundred changes of ours, each with its answer and hardly any data, are no flood") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed({.volume = kVolume});
        for (std::uint32_t number = 1; number <= 100; ++number) {
            CAPTURE(number);
            relayed.entry.keys.sent = kVolume;
            relayed.plain.say(as_bytes("x"));
            REQUIRE(relayed.turn_until([&] { return relayed.tls.key_updates.size() == number; }));
            relayed.tls.change_keys(false);
            REQUIRE(relayed.turn_until([&] { return relayed.secrets.receive.changes == number || relayed.over(); }));
            REQUIRE_FALSE(relayed.over());
        }
        CHECK(relayed.secrets.send.changes == 100);
        CHECK(relayed.tls.key_updates == Updates(100, true));
        relayed.check_both_ways("after ");
    }

    TEST_CASE("a peer that has ended is asked for nothing") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed({.volume = kVolume});
        relayed.tls.say(as_bytes("the end"));
        relayed.tls.say_alert(AlertDescription::close_notify);
        CHECK(relayed.turn_until([&] { return relayed.plain.ended; }));
        relayed.entry.keys.received = kVolume;
        relayed.much_down();
        CHECK(relayed.hears({false}));
        CHECK_FALSE(relayed.over());
    }

    TEST_CASE("a death at each step of a change that asks the peer") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed({.volume = kVolume});
        relayed.check_both_ways("before ");
        std::function<void(int)> steps;
        // Before it was noted that the keys are fresh, the successor changes them again.
        Updates updates{true, true};
        const auto note = [&](int fd) {
            relayed.entry.keys.sent = kVolume;
            relayed.secrets.update_record = ktls::next_record<ktls::Tx>(fd, ktls::Cipher::chacha20_poly1305).value();
            relayed.secrets.send.goal = 1;
        };
        const auto send = [](int fd) {
            require_ok(ktls::send_control(fd, ktls::ContentType::handshake,
                                          std::array<std::uint8_t, 5>{ktls::kKeyUpdate, 0, 0, 1, 1}));
        };
        SUBCASE("noted") {
            updates = {true};
            steps = note;
        }
        SUBCASE("sent") {
            steps = [&](int fd) {
                note(fd);
                send(fd);
            };
        }
        SUBCASE("installed") {
            steps = [&](int fd) {
                note(fd);
                send(fd);
                const auto next = ktls::after(relayed.tls.receiving_secret()).value();
                require_ok(
                    ktls::install(fd, ktls::keys_from<ktls::Tx>(ktls::Cipher::chacha20_poly1305, next).value()));
            };
        }
        SUBCASE("counted") {
            steps = [&](int fd) {
                relayed.entry.keys.sent = kVolume;
                Rekeying rekeying(fd, &relayed.secrets);
                CHECK(rekeying.change(true) == ktls::Sent::yes);
            };
        }
        SUBCASE("done") {
            updates = {true};
            steps = [&](int fd) {
                Rekeying rekeying(fd, &relayed.secrets);
                CHECK(rekeying.change(true) == ktls::Sent::yes);
                relayed.entry.keys.changed_ours(true);
            };
        }
        relayed.replace(steps);
        CHECK(relayed.hears(updates));
        for (std::size_t number = 0; number < updates.size(); ++number) {
            relayed.tls.change_keys(false);
        }
        relayed.check_both_ways("after ");
        CHECK(relayed.tls.key_updates == updates);
        CHECK(relayed.secrets.send.changes == updates.size());
        CHECK(relayed.secrets.receive.changes == updates.size());
        CHECK(relayed.entry.keys.asked == 0);
    }

    TEST_CASE("a successor asks again, since it may have missed the answer") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed({.volume = kVolume});
        relayed.entry.keys.asked = 1;
        relayed.replace();
        relayed.much_up();
        CHECK(relayed.hears({true}));
    }

    TEST_CASE("keys that can't be changed end the connection when they are used up") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(Version::tls13, plain_tcp_pair(), std::chrono::seconds(60), ktls::Cipher::aes128_gcm);
        SUBCASE("by the configured volume") {
            relayed.rekey_after = {.volume = kVolume};
            relayed.replace();
            relayed.plain.say(std::vector<std::uint8_t>(70'000, 'x'));
        }
        SUBCASE("by the configured time") {
            relayed.rekey_after = {.time = std::chrono::hours(1)};
            relayed.entry.keys_since = now() - std::chrono::hours(1);
            relayed.replace();
        }
        SUBCASE("by what AES bears") {
            relayed.entry.keys.sent = 1ULL << 38U;
            relayed.replace();
        }
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(relayed.outcome == "kernel-no-rekey");
        CHECK(relayed.tls.alerts == std::vector{AlertDescription::internal_error});
    }

    TEST_CASE("ChaCha20-Poly1305 bears more than can be sent, and TLS 1.2 has no limit of its own") {
        if (!kernel_has_ktls()) {
            return;
        }
        Version version = Version::tls13;
        SUBCASE("TLS 1.3") {}
        SUBCASE("TLS 1.2") {
            version = Version::tls12;
        }
        RelayedSession relayed(version);
        relayed.entry.keys.sent = relayed.entry.keys.received = 1ULL << 40U;
        relayed.replace();
        relayed.plain.say(as_bytes("data"));
        CHECK(relayed.turn_until([&] { return text(relayed.tls.received) == "data"; }));
        CHECK_FALSE(relayed.over());
    }
}
