#pragma once

#include <array>
#include <concepts>

#include "base/bytes.hpp"

namespace keysluice {

/// Unpredictable bytes. Only `daemon/` has a source of them: below it, the source is an argument, and a simulation
/// gives one that repeats.
class Random {
   public:
    Random() = default;
    Random(const Random&) = delete;
    Random& operator=(const Random&) = delete;
    virtual ~Random() = default;

    virtual void fill(MutableBytes out) = 0;

    template <std::unsigned_integral T>
    [[nodiscard]] T number() {
        std::array<std::uint8_t, sizeof(T)> octets{};
        fill(octets);
        return Reader(octets).be<T>();
    }
};

}  // namespace keysluice
