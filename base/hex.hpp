#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"

namespace keysluice {

/// What a hexadecimal digit is worth; 16 for any other character.
[[nodiscard]] constexpr std::uint8_t hex_digit(char character) {
    if (character >= '0' && character <= '9') {
        return static_cast<std::uint8_t>(character - '0');
    }
    const bool small = character >= 'a' && character <= 'f';
    if (small || (character >= 'A' && character <= 'F')) {
        return static_cast<std::uint8_t>(character - (small ? 'a' : 'A') + 10);
    }
    return 16;
}

/// Whether `digits` are exactly the two for each octet of `out`, which has them then.
[[nodiscard]] inline bool read_hex(std::string_view digits, MutableBytes out) {
    if (digits.size() != 2 * out.size()) {
        return false;
    }
    for (std::uint8_t& octet : out) {
        const std::uint8_t high = hex_digit(digits[0]);
        const std::uint8_t low = hex_digit(digits[1]);
        if (high > 15 || low > 15) {
            return false;
        }
        octet = static_cast<std::uint8_t>((high << 4U) | low);
        digits.remove_prefix(2);
    }
    return true;
}

/// Appends two small digits for each octet to a std::string, or to a SecretBuffer.
template <typename Text>
void append_hex(Text& into, Bytes octets) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    for (const std::uint8_t octet : octets) {
        into.push_back(static_cast<typename Text::value_type>(kDigits[octet >> 4U]));
        into.push_back(static_cast<typename Text::value_type>(kDigits[octet & 0xfU]));
    }
}

}  // namespace keysluice
