#include "base/address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>

namespace keysluice {
namespace {

int system_family(Family family) {
    return family == Family::ipv4 ? AF_INET : AF_INET6;
}

/// The unused octets of an IPv4 address are zero, so that addresses compare as they are.
std::array<std::uint8_t, 16> filled(Family family, std::uint8_t octet) {
    std::array<std::uint8_t, 16> octets{};
    std::fill_n(octets.begin(), family == Family::ipv4 ? 4 : 16, octet);
    return octets;
}

/// What an octet has of a prefix that goes on for `bits` bits from its start.
std::uint8_t mask_of(std::size_t bits) {
    return static_cast<std::uint8_t>(0xff00U >> std::min<std::size_t>(bits, 8));
}

std::uint8_t network_mask(std::uint8_t length, std::size_t octet) {
    return length <= 8 * octet ? std::uint8_t{0} : mask_of(length - 8 * octet);
}

}  // namespace

std::optional<IpAddress> IpAddress::from_octets(Bytes octets) {
    if (octets.size() != 4 && octets.size() != 16) {
        return std::nullopt;
    }
    IpAddress address;
    address.family_ = octets.size() == 4 ? Family::ipv4 : Family::ipv6;
    std::ranges::copy(octets, address.octets_.begin());
    return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (text.size() >= INET6_ADDRSTRLEN || text.contains('\0')) {
        return std::nullopt;
    }
    const std::string terminated(text);
    IpAddress address;
    address.family_ = text.contains(':') ? Family::ipv6 : Family::ipv4;
    if (inet_pton(system_family(address.family_), terminated.c_str(), address.octets_.data()) != 1) {
        return std::nullopt;
    }
    return address;
}

IpAddress IpAddress::lowest(Family family) {
    return {family, filled(family, 0)};
}

IpAddress IpAddress::highest(Family family) {
    return {family, filled(family, 0xff)};
}

std::string IpAddress::text() const {
    if (family_ == Family::ipv4) {  // inet_ntop() writes it with sprintf(), which takes thrice as long
        return fmt::format("{}.{}.{}.{}", octets_[0], octets_[1], octets_[2], octets_[3]);
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(system_family(family_), octets_.data(), text.data(), text.size());
    return text.data();
}

std::string UdpEndpoint::text() const {
    const std::string written = address.text();
    return (address.family() == Family::ipv4 ? written : "[" + written + "]") + ":" + std::to_string(port);
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) {
        return std::nullopt;
    }
    unsigned length = address->bits();
    if (slash != std::string_view::npos) {
        const std::string_view digits = text.substr(slash + 1);
        const char* end = std::to_address(digits.end());
        const auto [rest, error] = std::from_chars(std::to_address(digits.begin()), end, length);
        if (error != std::errc() || rest != end || length > address->bits()) {
            return std::nullopt;
        }
    }
    const Prefix prefix{*address, static_cast<std::uint8_t>(length)};
    const Bytes octets = prefix.address.octets();
    for (std::size_t i = 0; i < octets.size(); ++i) {
        if ((octets[i] & ~network_mask(prefix.length, i)) != 0) {
            return std::nullopt;
        }
    }
    return prefix;
}

std::optional<IpAddress> IpAddress::next() const {
    IpAddress after = *this;
    for (std::size_t i = octets().size(); i > 0; --i) {
        if (++after.octets_.at(i - 1) != 0) {
            return after;
        }
    }
    return std::nullopt;
}

IpAddress Prefix::last() const {
    IpAddress last = address;
    for (std::size_t i = 0; i < address.octets().size(); ++i) {
        last.octets_.at(i) |= static_cast<std::uint8_t>(~network_mask(length, i));
    }
    return last;
}

std::string Prefix::text() const {
    return address.text() + "/" + std::to_string(length);
}

}  // namespace keysluice
