#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/kernel.hpp"
#include "tests/support/relayed_session.hpp"

namespace keysluice::test {

/// Of the peer's end: whether each KeyUpdate that it heard asked for one.
using Updates = std::vector<bool>;

inline std::string text(const std::vector<std::uint8_t>& bytes) {
    return std::string(as_text(bytes));
}

inline constexpr std::uint64_t kVolume = RekeyAfter::kLeast;

/// A relayed connection whose keys can be changed.
struct Rekeyed : RelayedSession {
    Rekeyed() { keep_secrets(); }
    /// Keys are changed by the relay itself.
    explicit Rekeyed(RekeyAfter after) : Rekeyed() {
        rekey_after = after;
        replace();
    }

    [[nodiscard]] bool hears(const Updates& updates) {
        return turn_until([&] { return tls.key_updates.size() >= updates.size(); }) && tls.key_updates == updates;
    }

    /// More than kVolume, and less than twice as much, goes the whole way.
    void much_up() { much(tls, plain); }
    void much_down() { much(plain, tls); }
    void much(auto& from, auto& to) {
        const std::size_t size = to.received.size() + 70'000;
        from.say(std::vector<std::uint8_t>(70'000, 'x'));
        REQUIRE(turn_until([&] { return to.received.size() == size; }));
    }

    /// What one side says, the other one hears, and nothing is lost on the way.
    void check_both_ways(const std::string& what) {
        const std::string up = text(plain.received) + what;
        const std::string down = text(tls.received) + what;
        tls.say(as_bytes(what));
        plain.say(as_bytes(what));
        CHECK(turn_until([&] { return plain.received.size() >= up.size() && tls.received.size() >= down.size(); }));
        CHECK(text(plain.received) == up);
        CHECK(text(tls.received) == down);
        CHECK_FALSE(over());
    }
};

}  // namespace keysluice::test
