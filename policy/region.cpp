#include "policy/region.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace keysluice::policy {

namespace {

std::vector<Interval> of_addresses(std::span<const AddressRange> ranges, Family family) {
    if (ranges.empty()) {
        return {whole(Dimension::local_address, family)};
    }
    std::vector<Interval> intervals;
    for (const AddressRange& each : ranges) {
        if (each.first.family() == family) {
            intervals.push_back({number_of(each.first), number_of(each.last)});
        }
    }
    return intervals;
}

std::vector<Interval> of_ports(std::span<const PortRange> ranges) {
    if (ranges.empty()) {
        return {{0, 0xffff}};
    }
    std::vector<Interval> intervals(ranges.size());
    std::ranges::transform(ranges, intervals.begin(),
                           [](const PortRange& each) { return Interval{each.first, each.last}; });
    return intervals;
}

}  // namespace

Interval whole(Dimension dimension, Family family) {
    switch (dimension) {
        case Dimension::protocol:
            return {0, 0xff};
        case Dimension::local_address:
        case Dimension::remote_address:
            return {number_of(IpAddress::lowest(family)), number_of(IpAddress::highest(family))};
        case Dimension::local_port:
        case Dimension::remote_port:
            return {0, 0xffff};
    }
    std::unreachable();
}

std::vector<Interval> intervals_of(const Policy& policy, Dimension dimension, Family family) {
    switch (dimension) {
        case Dimension::protocol:
            return {policy.protocol ? Interval{*policy.protocol, *policy.protocol} : whole(dimension, family)};
        case Dimension::local_address:
            return of_addresses(policy.local, family);
        case Dimension::remote_address:
            return of_addresses(policy.remote, family);
        case Dimension::local_port:
            return of_ports(policy.local_ports);
        case Dimension::remote_port:
            return of_ports(policy.remote_ports);
    }
    std::unreachable();
}

Number number_of(const IpAddress& address) {
    Number number = 0;
    for (const std::uint8_t octet : address.octets()) {
        number = number << 8U | octet;
    }
    return number;
}

IpAddress address_of(Number number, Family family) {
    std::array<std::uint8_t, 16> octets{};
    const MutableBytes used = MutableBytes(octets).first(family == Family::ipv4 ? 4 : 16);
    for (auto octet = used.rbegin(); octet != used.rend(); ++octet, number >>= 8U) {
        *octet = static_cast<std::uint8_t>(number & 0xffU);
    }
    return IpAddress::from_octets(used).value_or(IpAddress::lowest(family));
}

}  // namespace keysluice::policy
