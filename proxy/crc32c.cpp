#include "proxy/crc32c.hpp"

#include <array>

namespace keysluice::proxy {

namespace {

/// 0x1EDC6F41 with its bits in the opposite order: the lowest bit of an octet comes first.
constexpr std::uint32_t kPolynomial = 0x82f63b78;

constexpr std::array<std::uint32_t, 256> kRemainders = [] {
    std::array<std::uint32_t, 256> remainders{};
    for (std::uint32_t octet = 0; octet < remainders.size(); ++octet) {
        std::uint32_t remainder = octet;
        for (int bit = 0; bit < 8; ++bit) {
            remainder = (remainder >> 1U) ^ ((remainder & 1U) != 0 ? kPolynomial : 0);
        }
        remainders[octet] = remainder;
    }
    return remainders;
}();

}  // namespace

std::uint32_t crc32c(Bytes bytes) {
    std::uint32_t remainder = 0xffffffff;
    for (const std::uint8_t octet : bytes) {
        remainder = (remainder >> 8U) ^ kRemainders[(remainder ^ octet) & 0xffU];
    }
    return ~remainder;
}

}  // namespace keysluice::proxy
