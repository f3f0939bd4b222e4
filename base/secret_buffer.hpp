#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/secret.hpp"

namespace keysluice {

/// Wipes memory before it gives it back to `Source`.
template <typename T, typename Source = std::allocator<T>>
struct WipingAllocator {
    using value_type = T;
    template <typename Other>
    struct rebind {
        using other = WipingAllocator<Other, typename std::allocator_traits<Source>::template rebind_alloc<Other>>;
    };

    WipingAllocator() = default;
    template <typename Other, typename OtherSource>
    explicit WipingAllocator(const WipingAllocator<Other, OtherSource>& /*other*/) {}

    [[nodiscard]] T* allocate(std::size_t count) { return Source{}.allocate(count); }
    void deallocate(T* memory, std::size_t count) {
        wipe(memory, count * sizeof(T));
        Source{}.deallocate(memory, count);
    }
    bool operator==(const WipingAllocator&) const = default;
};

/// Bytes of any number with key material among them, such as a message to the kernel: every piece of memory that they
/// were ever in is wiped, also when they grow. Keys themselves belong into a Secret<N>.
using SecretBuffer = std::vector<std::uint8_t, WipingAllocator<std::uint8_t>>;

}  // namespace keysluice
