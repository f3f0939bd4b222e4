#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace keysluice {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

/// The bytes of a text, without its terminator.
[[nodiscard]] inline Bytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

[[nodiscard]] inline std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Reads network byte order from a bounded range.
///
/// The first read past the end marks the reader as failed; it and every later read return zeros or empty ranges.
/// So a parser reads a whole structure and asks `ok()` once, before it believes any of the values.
class Reader {
   public:
    explicit Reader(Bytes bytes) : rest_(bytes) {}

    template <std::unsigned_integral T>
    [[nodiscard]] T be() {
        T value = 0;
        for (const std::uint8_t byte : take(sizeof(T))) {
            value = static_cast<T>((static_cast<std::uint64_t>(value) << 8U) | byte);
        }
        return value;
    }

    /// The next `count` bytes, or an empty range when fewer are left.
    [[nodiscard]] Bytes take(std::size_t count) {
        if (count > rest_.size()) {
            failed_ = true;
            rest_ = {};
            return {};
        }
        const Bytes taken = rest_.first(count);
        rest_ = rest_.subspan(count);
        return taken;
    }

    /// A range that is preceded by its own length, as T in network byte order.
    template <std::unsigned_integral T>
    [[nodiscard]] Bytes prefixed() {
        return take(be<T>());
    }

    [[nodiscard]] Bytes rest() const { return rest_; }
    [[nodiscard]] bool ok() const { return !failed_; }
    /// Everything was read, and nothing is left over.
    [[nodiscard]] bool finished() const { return !failed_ && rest_.empty(); }

   private:
    Bytes rest_;
    bool failed_ = false;
};

/// Appends network byte order to a growing buffer.
class Writer {
   public:
    template <std::unsigned_integral T>
    Writer& be(T value) {
        for (std::size_t shift = sizeof(T); shift-- > 0;) {
            bytes_.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * shift)));
        }
        return *this;
    }

    Writer& raw(Bytes bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        return *this;
    }

    template <std::unsigned_integral T>
    Writer& prefixed(Bytes bytes) {
        return be(static_cast<T>(bytes.size())).raw(bytes);
    }

    [[nodiscard]] Bytes view() const { return bytes_; }
    [[nodiscard]] std::vector<std::uint8_t> release() && { return std::move(bytes_); }

   private:
    std::vector<std::uint8_t> bytes_;
};

}  // namespace keysluice
