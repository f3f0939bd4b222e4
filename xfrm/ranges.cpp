#include "xfrm/ranges.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <tuple>

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

std::optional<Prefix> overlap(const Prefix& a, const Prefix& b) {
    const auto& [wider, narrower] = a.length <= b.length ? std::tie(a, b) : std::tie(b, a);
    const bool within = a.address.family() == b.address.family() && wider.first() <= narrower.first() &&
                        narrower.last() <= wider.last();
    return within ? std::optional(narrower) : std::nullopt;
}

std::optional<PortMask> overlap(const PortMask& a, const PortMask& b) {
    if (((a.port ^ b.port) & a.mask & b.mask) != 0) {
        return std::nullopt;
    }
    return PortMask{.port = static_cast<std::uint16_t>(a.port | b.port),
                    .mask = static_cast<std::uint16_t>(a.mask | b.mask)};
}

}  // namespace

std::optional<Selector> overlap(const Selector& a, const Selector& b) {
    const auto source = overlap(a.source, b.source);
    const auto destination = overlap(a.destination, b.destination);
    const auto source_port = overlap(a.source_port, b.source_port);
    const auto destination_port = overlap(a.destination_port, b.destination_port);
    const bool protocols = a.protocol == 0 || b.protocol == 0 || a.protocol == b.protocol;
    if (!protocols || !source || !destination || !source_port || !destination_port) {
        return std::nullopt;
    }
    return Selector{.source = *source,
                    .destination = *destination,
                    .protocol = a.protocol == 0 ? b.protocol : a.protocol,
                    .source_port = *source_port,
                    .destination_port = *destination_port,
                    .user = a.user};
}

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
