#include "base/secret.hpp"

#include <doctest/doctest.h>

#include <array>
#include <new>
#include <type_traits>

using namespace keysluice;

namespace {

constexpr std::array<std::uint8_t, 4> kKey{0xde, 0xad, 0xbe, 0xef};

// Accidents that must not compile.
static_assert(!std::is_copy_constructible_v<Secret<16>>);
static_assert(!std::is_copy_assignable_v<Secret<16>>);
static_assert(!std::equality_comparable<Secret<16>>);
static_assert(!std::is_convertible_v<Secret<16>, Bytes>);

bool all_zero(Bytes bytes) {
    for (const std::uint8_t byte : bytes) {
        if (byte != 0) {
            return false;
        }
    }
    return true;
}

}  // namespace

TEST_CASE("a secret wipes itself when it dies") {
    alignas(Secret<4>) std::array<std::uint8_t, sizeof(Secret<4>)> memory{};
    auto* secret = new (memory.data()) Secret<4>(kKey);
    REQUIRE(secret->expose()[0] == 0xde);
    secret->~Secret();
    CHECK(all_zero(Bytes{memory}.first(4)));
}

TEST_CASE("a secret that was moved from holds nothing") {
    Secret<4> first{kKey};
    const Secret<4> second{std::move(first)};
    CHECK(second.size() == 4);
    CHECK(first.empty());                // NOLINT(bugprone-use-after-move): that is the question
    CHECK(all_zero(first.writable(4)));  // NOLINT(bugprone-use-after-move)
}

TEST_CASE("more bytes than a secret can hold are cut, never written past its end") {
    const Secret<2> secret{kKey};
    CHECK(secret.size() == 2);
}

TEST_CASE("a kernel structure with a key wipes itself") {
    struct Layout {
        std::array<std::uint8_t, 8> key;
    };
    alignas(SecretStruct<Layout>) std::array<std::uint8_t, sizeof(SecretStruct<Layout>)> memory{};
    auto* held = new (memory.data()) SecretStruct<Layout>();
    held->expose().key.fill(0x77);
    held->~SecretStruct();
    CHECK(all_zero(memory));
}
