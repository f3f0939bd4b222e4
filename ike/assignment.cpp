#include "ike/assignment.hpp"

#include <algorithm>
#include <bit>
#include <cctype>

namespace keysluice::ike {
namespace {

using Attribute = wire::ConfigurationAttribute;
using AttributeType = wire::ConfigurationAttributeType;

constexpr std::size_t kIpv4Size = 4;
constexpr std::size_t kIpv6Size = 16;
constexpr std::size_t kLongestLabel = 63;
constexpr std::size_t kLongestDomain = 253;

/// The address at its start, for which there may be more octets.
std::optional<IpAddress> address_in(const Attribute& attribute, std::size_t size) {
    return attribute.value.size() < size ? std::nullopt : IpAddress::from_octets(Bytes(attribute.value).first(size));
}

/// Nobody has such an address, or serves names there.
bool usable(const IpAddress& address) {
    const std::uint8_t first = address.octets().front();
    const bool multicast = address.family() == Family::ipv4 ? first >= 224 : first == 0xff;
    const bool loopback = address.family() == Family::ipv4 ? first == 127 : address == *IpAddress::parse("::1");
    return !address.unspecified() && !multicast && !loopback;
}

wire::Octets with_prefix(const IpAddress& address, std::uint8_t length) {
    wire::Octets octets(address.octets().begin(), address.octets().end());
    octets.push_back(length);
    return octets;
}

/// RFC 7296 section 3.15.1: an IPv4 subnet has its netmask behind the address, one of IPv6 the prefix's length.
Attribute subnet_attribute(const Prefix& subnet) {
    if (subnet.address.family() == Family::ipv6) {
        return {AttributeType::internal_ip6_subnet, with_prefix(subnet.address, subnet.length)};
    }
    wire::Octets octets(subnet.address.octets().begin(), subnet.address.octets().end());
    const std::uint32_t mask = subnet.length == 0 ? 0 : ~std::uint32_t{0} << (32U - subnet.length);
    for (int shift = 24; shift >= 0; shift -= 8) {
        octets.push_back(static_cast<std::uint8_t>(mask >> static_cast<unsigned>(shift)));
    }
    return {AttributeType::internal_ip4_subnet, std::move(octets)};
}

/// All bits behind the length are cleared: gateways send the address of a host, too.
Prefix network_of(const IpAddress& address, std::uint8_t length) {
    wire::Octets octets(address.octets().begin(), address.octets().end());
    for (std::size_t i = 0; i < octets.size(); ++i) {
        const std::size_t kept = std::min<std::size_t>(8, length > 8 * i ? length - 8 * i : 0);
        octets[i] = static_cast<std::uint8_t>(octets[i] & (0xff00U >> kept));
    }
    return {IpAddress::from_octets(octets).value_or(address), length};
}

std::optional<Prefix> subnet_in(const Attribute& attribute) {
    const bool ipv4 = attribute.type == AttributeType::internal_ip4_subnet;
    const auto address = address_in(attribute, ipv4 ? kIpv4Size : kIpv6Size);
    if (!address || attribute.value.size() != (ipv4 ? 2 * kIpv4Size : kIpv6Size + 1)) {
        return std::nullopt;
    }
    std::uint8_t length = attribute.value.back();
    if (ipv4) {
        std::uint32_t mask = 0;
        for (std::size_t i = kIpv4Size; i < 2 * kIpv4Size; ++i) {
            mask = mask << 8U | attribute.value[i];
        }
        length = static_cast<std::uint8_t>(std::countl_one(mask));
        if (std::popcount(mask) != length) {
            return std::nullopt;  // no prefix
        }
    }
    return length > address->bits() ? std::nullopt : std::optional(network_of(*address, length));
}

template <typename Value>
void add(std::vector<Value>& to, const std::optional<Value>& value) {
    if (value && to.size() < kMostAssigned && std::ranges::find(to, *value) == to.end()) {
        to.push_back(*value);
    }
}

std::optional<IpAddress> if_usable(const std::optional<IpAddress>& address) {
    return address && usable(*address) ? address : std::nullopt;
}

/// Without the dot that may stand behind it.
std::optional<std::string> domain_in(const Attribute& attribute) {
    std::string name(as_text(attribute.value));
    if (name.ends_with('.')) {
        name.pop_back();
    }
    return is_domain(name) ? std::optional(name) : std::nullopt;
}

}  // namespace

wire::ConfigurationPayload request_for(const std::vector<IpAddress>& wishes) {
    wire::ConfigurationPayload request{wire::ConfigurationType::request, {}};
    auto& attributes = request.attributes;
    for (const IpAddress& wish : wishes) {
        const bool ipv4 = wish.family() == Family::ipv4;
        wire::Octets value;
        if (!wish.unspecified()) {
            value = ipv4 ? wire::Octets(wish.octets().begin(), wish.octets().end()) : with_prefix(wish, 128);
        }
        attributes.push_back(
            {ipv4 ? AttributeType::internal_ip4_address : AttributeType::internal_ip6_address, std::move(value)});
        attributes.push_back({ipv4 ? AttributeType::internal_ip4_dns : AttributeType::internal_ip6_dns, {}});
        // One of IPv6 has no empty form.
        if (ipv4) {
            attributes.push_back({AttributeType::internal_ip4_subnet, {}});
        }
    }
    attributes.push_back({AttributeType::internal_dns_domain, {}});
    return request;
}

std::vector<IpAddress> wishes_in(const wire::ConfigurationPayload& request) {
    std::vector<IpAddress> wishes;
    for (const Attribute& attribute : request.attributes) {
        const bool ipv4 = attribute.type == AttributeType::internal_ip4_address;
        if ((ipv4 || attribute.type == AttributeType::internal_ip6_address) && wishes.size() < kMostAssigned) {
            const auto wish = address_in(attribute, ipv4 ? kIpv4Size : kIpv6Size);
            wishes.push_back(wish.value_or(IpAddress::lowest(ipv4 ? Family::ipv4 : Family::ipv6)));
        }
    }
    return wishes;
}

wire::ConfigurationPayload reply_with(const Assignment& assignment, const wire::ConfigurationPayload& request) {
    wire::ConfigurationPayload reply{wire::ConfigurationType::reply, {}};
    auto& attributes = reply.attributes;
    for (const IpAddress& address : assignment.addresses) {
        const bool ipv4 = address.family() == Family::ipv4;
        attributes.push_back(
            ipv4 ? Attribute{AttributeType::internal_ip4_address, {address.octets().begin(), address.octets().end()}}
                 : Attribute{AttributeType::internal_ip6_address, with_prefix(address, 128)});
    }
    const bool splits = std::ranges::any_of(request.attributes, [](const Attribute& attribute) {
        return attribute.type == AttributeType::internal_dns_domain;
    });
    if (splits || assignment.domains.empty()) {
        for (const IpAddress& server : assignment.dns) {
            attributes.push_back(
                {server.family() == Family::ipv4 ? AttributeType::internal_ip4_dns : AttributeType::internal_ip6_dns,
                 {server.octets().begin(), server.octets().end()}});
        }
        for (const std::string& domain : assignment.domains) {
            attributes.push_back({AttributeType::internal_dns_domain, {domain.begin(), domain.end()}});
        }
    }
    for (const Prefix& subnet : assignment.subnets) {
        attributes.push_back(subnet_attribute(subnet));
    }
    return reply;
}

Assignment assignment_in(const wire::ConfigurationPayload& reply) {
    Assignment assignment;
    for (const Attribute& attribute : reply.attributes) {
        switch (attribute.type) {
            case AttributeType::internal_ip4_address:
                add(assignment.addresses, if_usable(address_in(attribute, kIpv4Size)));
                break;
            case AttributeType::internal_ip6_address:
                add(assignment.addresses, if_usable(address_in(attribute, kIpv6Size)));
                break;
            case AttributeType::internal_ip4_dns:
                add(assignment.dns, if_usable(address_in(attribute, kIpv4Size)));
                break;
            case AttributeType::internal_ip6_dns:
                add(assignment.dns, if_usable(address_in(attribute, kIpv6Size)));
                break;
            case AttributeType::internal_ip4_subnet:
            case AttributeType::internal_ip6_subnet:
                add(assignment.subnets, subnet_in(attribute));
                break;
            case AttributeType::internal_dns_domain:
                add(assignment.domains, domain_in(attribute));
                break;
            case AttributeType::internal_ip4_netmask:
                break;  // of a link that a tunnel is not
        }
    }
    return assignment;
}

bool is_domain(std::string_view name) {
    if (name.empty() || name.size() > kLongestDomain) {
        return false;
    }
    while (true) {
        const std::size_t dot = name.find('.');
        const std::string_view label = name.substr(0, dot);
        const bool plain = std::ranges::all_of(label, [](char each) {
            return std::isalnum(static_cast<unsigned char>(each)) != 0 || each == '-' || each == '_';
        });
        if (label.empty() || label.size() > kLongestLabel || label.front() == '-' || !plain) {
            return false;
        }
        if (dot == std::string_view::npos) {
            return true;
        }
        name.remove_prefix(dot + 1);
    }
}

TrafficSelectors selectors_of(const std::vector<IpAddress>& addresses) {
    TrafficSelectors selectors;
    selectors.reserve(addresses.size());
    for (const IpAddress& address : addresses) {
        selectors.push_back(selector_of(address));
    }
    return selectors;
}

TrafficSelectors any_of(const std::vector<IpAddress>& wishes) {
    TrafficSelectors selectors;
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        if (std::ranges::find(wishes, family, &IpAddress::family) != wishes.end()) {
            selectors.push_back({.first = IpAddress::lowest(family), .last = IpAddress::highest(family)});
        }
    }
    return selectors;
}

}  // namespace keysluice::ike
