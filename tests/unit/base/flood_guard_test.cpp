#include "base/flood_guard.hpp"

#include <doctest/doctest.h>

#include <string_view>

using namespace keysluice;

namespace {

constexpr std::uint8_t kKeyUpdate = 24;
constexpr std::uint8_t kSessionTicket = 4;

std::string_view reason(const FloodGuard& guard) {
    const auto verdict = guard.verdict();
    return verdict ? verdict->reason : "none";
}

void spend(FloodGuard& guard, std::uint8_t type, std::uint32_t count) {
    for (std::uint32_t index = 0; index < count; ++index) {
        guard.handshake_message(type);
    }
}

}  // namespace

TEST_CASE("a burst is allowed, one message more is a flood, and its kind gives the reason") {
    FloodGuard guard;
    spend(guard, kKeyUpdate, FloodGuard::kBurst);
    CHECK(reason(guard) == "none");
    spend(guard, kKeyUpdate, 1);
    CHECK(reason(guard) == "key-update-flood");
    FloodGuard tickets;
    spend(tickets, kSessionTicket, FloodGuard::kBurst + 1);
    CHECK(reason(tickets) == "record-flood");
}

TEST_CASE("data earn credits back, in whole portions and never in advance") {
    FloodGuard guard;
    guard.data(100 * FloodGuard::kBytesPerCredit);
    spend(guard, kKeyUpdate, FloodGuard::kBurst + 1);
    CHECK(reason(guard) == "key-update-flood");
    guard.data(FloodGuard::kBytesPerCredit - 1);
    CHECK(reason(guard) == "key-update-flood");
    guard.data(1);
    CHECK(reason(guard) == "none");
}

TEST_CASE("time earns credits back, in whole seconds and never in advance") {
    using namespace std::chrono_literals;
    FloodGuard guard;
    guard.rest(24h);
    spend(guard, kKeyUpdate, FloodGuard::kBurst + 2);
    guard.rest(999ms);
    CHECK(reason(guard) == "key-update-flood");
    guard.rest(1001ms);
    CHECK(reason(guard) == "none");
}
