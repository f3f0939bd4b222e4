#include "xfrm/ranges.hpp"

#include <algorithm>
#include <array>
#include <cassert>

namespace keysluice::xfrm {
namespace {

/// The upper half of a prefix that is not a single address.
Prefix upper_half(const Prefix& prefix) {
    std::array<std::uint8_t, 16> octets{};
    const Bytes old = prefix.address.octets();
    std::ranges::copy(old, octets.begin());
    octets.at(prefix.length / 8) |= static_cast<std::uint8_t>(0x80U >> (prefix.length % 8));
    return {IpAddress::from_octets(Bytes(octets).first(old.size())).value_or(prefix.address),
            static_cast<std::uint8_t>(prefix.length + 1)};
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as an address has bits
void cover(const Prefix& prefix, const IpAddress& first, const IpAddress& last, std::vector<Prefix>& into) {
    if (prefix.last() < first || prefix.first() > last) {
        return;
    }
    if (first <= prefix.first() && prefix.last() <= last) {
        into.push_back(prefix);
        return;
    }
    cover({prefix.address, static_cast<std::uint8_t>(prefix.length + 1)}, first, last, into);
    cover(upper_half(prefix), first, last, into);
}

}  // namespace

std::vector<Prefix> split_range(const IpAddress& first, const IpAddress& last) {
    assert(first.family() == last.family());
    std::vector<Prefix> prefixes;
    cover({IpAddress::lowest(first.family()), 0}, first, last, prefixes);
    return prefixes;
}

std::vector<PortMask> split_ports(std::uint16_t first, std::uint16_t last) {
    std::vector<PortMask> masks;
    for (std::uint32_t at = first; at <= last;) {
        // The largest block that starts here and does not go beyond.
        std::uint32_t size = 0x10000;
        while (at % size != 0 || at + size - 1 > last) {
            size /= 2;
        }
        masks.push_back({static_cast<std::uint16_t>(at), static_cast<std::uint16_t>(0x10000 - size)});
        at += size;
    }
    return masks;
}

}  // namespace keysluice::xfrm
