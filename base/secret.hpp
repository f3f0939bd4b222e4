#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.hpp"

namespace keysluice {

/// Overwrites memory in a way that the compiler may not leave out. An empty range may be wiped too: it has no
/// address.
inline void wipe(void* memory, std::size_t size) {
    if (size > 0) {
        explicit_bzero(memory, size);
    }
}

/// Key material of at most `Capacity` bytes, kept inside the object.
///
/// It wipes itself when it dies or is moved from. It can't be copied, compared or printed by accident: whoever needs
/// the bytes says `expose()`, which is easy to find. Don't put one into a container that relocates by memcpy, and
/// don't let a range from `expose()` outlive it.
template <std::size_t Capacity>
class Secret {
   public:
    Secret() = default;
    explicit Secret(Bytes bytes) : size_(static_cast<std::uint16_t>(std::min(bytes.size(), Capacity))) {
        std::copy_n(bytes.begin(), size_, bytes_.begin());
    }
    Secret(Secret&& other) noexcept : bytes_(other.bytes_), size_(other.size_) { other.clear(); }
    Secret& operator=(Secret&& other) noexcept {
        if (this != &other) {
            bytes_ = other.bytes_;
            size_ = other.size_;
            other.clear();
        }
        return *this;
    }
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret() { clear(); }

    bool operator==(const Secret&) const = delete;

    [[nodiscard]] Bytes expose() const { return {bytes_.data(), size_}; }
    /// Room for `size` secret bytes that the caller is about to write.
    [[nodiscard]] MutableBytes writable(std::size_t size) {
        size_ = static_cast<std::uint16_t>(std::min(size, Capacity));
        return {bytes_.data(), size_};
    }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    void clear() {
        wipe(bytes_.data(), Capacity);
        size_ = 0;
    }

   private:
    static_assert(Capacity <= UINT16_MAX);

    std::array<std::uint8_t, Capacity> bytes_{};
    std::uint16_t size_ = 0;
};

/// A deliberate duplicate, for the rare place that needs one.
template <std::size_t Capacity>
[[nodiscard]] Secret<Capacity> duplicate(const Secret<Capacity>& secret) {
    return Secret<Capacity>(secret.expose());
}

/// A plain kernel structure that holds key material: usable as the structure, wiped when it dies.
template <typename Struct>
class SecretStruct {
   public:
    SecretStruct() = default;
    SecretStruct(SecretStruct&& other) noexcept : value_(other.value_) { wipe(&other.value_, sizeof(Struct)); }
    SecretStruct& operator=(SecretStruct&& other) noexcept {
        if (this != &other) {
            value_ = other.value_;
            wipe(&other.value_, sizeof(Struct));
        }
        return *this;
    }
    SecretStruct(const SecretStruct&) = delete;
    SecretStruct& operator=(const SecretStruct&) = delete;
    ~SecretStruct() { wipe(&value_, sizeof(Struct)); }

    [[nodiscard]] Struct& expose() { return value_; }
    [[nodiscard]] const Struct& expose() const { return value_; }

   private:
    Struct value_{};
};

}  // namespace keysluice
