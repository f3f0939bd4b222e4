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

namespace {

/// Four of them earn a peer one change of its keys; different for each number.
std::vector<std::uint8_t> counting_from(int number) {
    std::vector<std::uint8_t> bytes(FloodGuard::kBytesPerCredit / 4);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        bytes[at] = static_cast<std::uint8_t>(at * 7 + at / 256 + static_cast<std::size_t>(number));
    }
    return bytes;
}

}  // namespace

TEST_SUITE("kernel") {
    TEST_CASE("the peer changes its keys: it is followed, and answered where it asks for that") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed;
        relayed.check_both_ways("first ");
        bool asks = false;
        SUBCASE("it does not ask") {}
        SUBCASE("it asks") {
            asks = true;
        }
        relayed.tls.change_keys(asks);
        relayed.check_both_ways("second ");
        CHECK(relayed.tls.key_updates == (asks ? Updates{false} : Updates{}));
        CHECK(relayed.secrets.receive.changes == 1);
        CHECK(relayed.secrets.send.changes == (asks ? 1 : 0));
        CHECK(relayed.secrets.answer_due == 0);
        relayed.replace();
        relayed.tls.change_keys(asks);
        relayed.check_both_ways("third ");
        CHECK(relayed.secrets.receive.changes == 2);
    }

    TEST_CASE("of the keys before nothing is left") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed;
        const auto first = relayed.secrets.receive.secrets[0];
        relayed.tls.change_keys(true);
        relayed.check_both_ways("data");
        const std::array<std::uint8_t, 48> nothing{};
        CHECK((relayed.secrets.receive.secrets[0] == nothing));
        CHECK((relayed.secrets.send.secrets[0] == nothing));
        CHECK((relayed.secrets.receive.secrets[1] != first));
    }

    TEST_CASE("a KeyUpdate behind a ticket, in one record") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed;
        relayed.tls.say(as_bytes("old keys, "));
        relayed.tls.change_keys(true, std::array<std::uint8_t, 4>{4, 0, 0, 0});
        relayed.tls.say(as_bytes("new keys"));
        CHECK(relayed.turn_until([&] { return relayed.plain.received.size() == 18; }));
        CHECK(text(relayed.plain.received) == "old keys, new keys");
        relayed.check_both_ways("more");
        CHECK(relayed.tls.key_updates == Updates{false});
    }

    TEST_CASE("the rest of a ticket that looks like a KeyUpdate is none, for a successor neither") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed;
        relayed.tls.say(ktls::ContentType::handshake, std::array<std::uint8_t, 6>{4, 0, 0, 11, 1, 2});
        // (Where it begins like a KeyUpdate, the kernel itself stops.)
        relayed.tls.say(ktls::ContentType::handshake,
                        std::array<std::uint8_t, 9>{4, 0, 0, 0, ktls::kKeyUpdate, 0, 0, 1, 1});
        relayed.check_both_ways("data ");
        CHECK_FALSE(relayed.secrets.receive.changing());
        CHECK(relayed.secrets.answer_due == 0);
        relayed.replace();
        relayed.check_both_ways("more ");
        CHECK(relayed.tls.key_updates.empty());
    }

    TEST_CASE("forty changes under traffic in both directions, while the peer reads slowly") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed;
        relayed.shrink_buffers(8192);
        relayed.tls.most_per_pump = 20'000;
        std::vector<std::uint8_t> all;
        for (int number = 0; number < 40; ++number) {
            const auto portion = counting_from(number);
            relayed.tls.say(portion);
            relayed.plain.say(portion);
            relayed.tls.change_keys(true);
            all.insert(all.end(), portion.begin(), portion.end());
            CAPTURE(number);
            if (number % 2 == 1) {
                REQUIRE(relayed.turn_until([&] {
                    return relayed.plain.received.size() >= all.size() && relayed.tls.received.size() >= all.size();
                }));
            }
        }
        CHECK((relayed.plain.received == all));
        CHECK((relayed.tls.received == all));
        CHECK(relayed.secrets.receive.changes == 40);
        // RFC 8446 4.6.3 lets one answer do for several that came before it.
        CHECK(relayed.secrets.send.changes > 0);
        CHECK(relayed.turn_until([&] { return relayed.secrets.send.changes == relayed.tls.key_updates.size(); }));
        CHECK_FALSE(relayed.over());
    }

    TEST_CASE("a peer that changes its keys again and again is refused") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed;
        for (std::uint32_t number = 0; number <= FloodGuard::kBurst; ++number) {
            relayed.tls.change_keys(false);
            relayed.tls.say(as_bytes("x"));
        }
        CHECK(relayed.turn_until([&] { return relayed.both_over(); }));
        CHECK(relayed.outcome == "key-update-flood");
        CHECK(relayed.tls.alerts == std::vector{AlertDescription::unexpected_message});
    }

    TEST_CASE("a death at each step of following the peer") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed;
        relayed.check_both_ways("before ");
        std::function<void(int, Rekeying&)> steps;
        SUBCASE("noted") {
            steps = [](int, Rekeying& rekeying) { rekeying.expect(true); };
        }
        SUBCASE("taken out") {
            steps = [](int fd, Rekeying& rekeying) {
                rekeying.expect(true);
                std::array<std::uint8_t, 16> room{};
                require_ok(ktls::receive_record(fd, room));
            };
        }
        SUBCASE("installed") {
            steps = [&](int fd, Rekeying& rekeying) {
                rekeying.expect(true);
                std::array<std::uint8_t, 16> room{};
                require_ok(ktls::receive_record(fd, room));
                require_ok(ktls::install(
                    fd, ktls::keys_from<ktls::Rx>(ktls::Cipher::chacha20_poly1305, relayed.tls.sending_secret())
                            .value()));
            };
        }
        SUBCASE("counted") {
            steps = [](int fd, Rekeying& rekeying) {
                rekeying.expect(true);
                std::array<std::uint8_t, 16> room{};
                require_ok(ktls::receive_record(fd, room));
                require_ok(rekeying.follow());
            };
        }
        relayed.replace([&](int fd) {
            relayed.tls.change_keys(true);
            relayed.tls.say(as_bytes("behind it "));
            relayed.tls.pump();
            Rekeying rekeying(fd, &relayed.secrets);
            steps(fd, rekeying);
        });
        CHECK(relayed.turn_until([&] { return text(relayed.plain.received) == "before behind it "; }));
        relayed.check_both_ways("after ");
        CHECK(relayed.secrets.receive.changes == 1);
        CHECK(relayed.tls.key_updates == Updates{false});
    }

    TEST_CASE("a death at each step of our own change") {
        if (!kernel_rekeys()) {
            return;
        }
        Rekeyed relayed;
        relayed.check_both_ways("before ");
        std::function<void(int)> steps;
        std::size_t updates = 1;
        const auto note = [&](int fd) {
            relayed.secrets.update_record = ktls::next_record<ktls::Tx>(fd, ktls::Cipher::chacha20_poly1305).value();
            relayed.secrets.send.goal = 1;
        };
        const auto send = [](int fd) {
            require_ok(ktls::send_control(fd, ktls::ContentType::handshake,
                                          std::array<std::uint8_t, 5>{ktls::kKeyUpdate, 0, 0, 1, 0}));
        };
        SUBCASE("noted") {
            updates = 0;
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
                Rekeying rekeying(fd, &relayed.secrets);
                CHECK(rekeying.change(false) == ktls::Sent::yes);
            };
        }
        relayed.replace(steps);
        relayed.check_both_ways("after ");
        CHECK(relayed.tls.key_updates == Updates(updates, false));
        CHECK(relayed.secrets.send.changes == updates);
        CHECK_FALSE(relayed.secrets.send.changing());
    }
}
