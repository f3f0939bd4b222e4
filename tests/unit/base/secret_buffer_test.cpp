#include "base/secret_buffer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

using namespace keysluice;

namespace {

/// Gives out parts of a memory that stays readable.
struct Arena {
    static inline std::array<std::uint8_t, 4096> memory{};
    static inline std::size_t used = 0;
};

template <typename T>
struct ArenaAllocator {
    using value_type = T;
    T* allocate(std::size_t count) {
        T* piece = Arena::memory.data() + Arena::used;
        Arena::used += count;
        REQUIRE(Arena::used <= Arena::memory.size());
        return piece;
    }
    void deallocate(T* /*memory*/, std::size_t /*count*/) {}
};

using Watched = std::vector<std::uint8_t, WipingAllocator<std::uint8_t, ArenaAllocator<std::uint8_t>>>;

std::ptrdiff_t secrets_left() {
    return std::ranges::count(Arena::memory, 0x5a);
}

}  // namespace

TEST_CASE("a secret buffer wipes every piece of memory that it was in") {
    {
        Watched bytes;
        for (int i = 0; i < 100; ++i) {
            bytes.push_back(0x5a);
        }
        // It has grown several times: only the last piece holds anything.
        CHECK(Arena::used > 200);
        CHECK(secrets_left() == 100);
        const Watched copy = bytes;
        CHECK(secrets_left() == 200);
        // Shrinking leaves the rest in its memory until that goes.
        bytes.resize(10);
    }
    CHECK(secrets_left() == 0);
}

TEST_CASE("a secret buffer is a vector") {
    SecretBuffer bytes{1, 2, 3};
    bytes.resize(5);
    CHECK(bytes == SecretBuffer{1, 2, 3, 0, 0});
    CHECK(SecretBuffer{}.empty());
}
