#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace keysluice {

enum class Family : std::uint8_t { ipv4, ipv6 };

/// An IPv4 or IPv6 address in network byte order.
class IpAddress {
   public:
    /// 0.0.0.0
    IpAddress() = default;

    /// From 4 or 16 octets, or nothing.
    [[nodiscard]] static std::optional<IpAddress> from_octets(Bytes octets);
    /// From its written form, without a zone or a prefix length.
    [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
    [[nodiscard]] static IpAddress lowest(Family family);
    [[nodiscard]] static IpAddress highest(Family family);

    [[nodiscard]] Family family() const { return family_; }
    [[nodiscard]] Bytes octets() const { return Bytes(octets_).first(family_ == Family::ipv4 ? 4 : 16); }
    /// 32 or 128.
    [[nodiscard]] unsigned bits() const { return family_ == Family::ipv4 ? 32 : 128; }
    /// The one after it in its family, or nothing after the highest.
    [[nodiscard]] std::optional<IpAddress> next() const;
    [[nodiscard]] bool unspecified() const { return *this == lowest(family_); }
    [[nodiscard]] std::string text() const;

    /// All of IPv4 comes before all of IPv6.
    auto operator<=>(const IpAddress&) const = default;

   private:
    IpAddress(Family family, const std::array<std::uint8_t, 16>& octets) : family_(family), octets_(octets) {}

    friend struct Prefix;

    Family family_ = Family::ipv4;
    std::array<std::uint8_t, 16> octets_{};
};

struct UdpEndpoint {
    IpAddress address;
    std::uint16_t port = 0;

    auto operator<=>(const UdpEndpoint&) const = default;
    /// "192.0.2.1:500" or "[2001:db8::1]:500".
    [[nodiscard]] std::string text() const;
};

/// All addresses that share their first `length` bits with `address`, whose other bits are zero.
struct Prefix {
    IpAddress address;
    std::uint8_t length = 0;

    auto operator<=>(const Prefix&) const = default;
    /// "10.1.0.0/16"; an address alone is a prefix of full length. Bits beyond the length must be zero.
    [[nodiscard]] static std::optional<Prefix> parse(std::string_view text);
    [[nodiscard]] IpAddress first() const { return address; }
    [[nodiscard]] IpAddress last() const;
    [[nodiscard]] std::string text() const;
};

}  // namespace keysluice
