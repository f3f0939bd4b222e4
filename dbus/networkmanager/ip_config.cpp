#include "dbus/networkmanager/ip_config.hpp"

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace keysluice::networkmanager {
namespace {

std::vector<IpAddress> of_family(const std::vector<std::string>& texts, Family family) {
    std::vector<IpAddress> addresses;
    for (const std::string& text : texts) {
        if (const auto address = IpAddress::parse(text); address && address->family() == family) {
            addresses.push_back(*address);
        }
    }
    return addresses;
}

/// A number whose octets are in the network's order.
std::uint32_t number_of(const IpAddress& address) {
    std::uint32_t number = 0;
    std::memcpy(&number, address.octets().data(), sizeof(number));
    return number;
}

std::vector<std::uint8_t> octets_of(const IpAddress& address) {
    return {address.octets().begin(), address.octets().end()};
}

sdbus::Variant variant_of(const IpAddress& address) {
    return address.family() == Family::ipv4 ? sdbus::Variant{number_of(address)} : sdbus::Variant{octets_of(address)};
}

sdbus::Variant variant_of(const std::vector<IpAddress>& addresses, Family family) {
    if (family == Family::ipv4) {
        std::vector<std::uint32_t> numbers;
        numbers.reserve(addresses.size());
        for (const IpAddress& each : addresses) {
            numbers.push_back(number_of(each));
        }
        return sdbus::Variant{numbers};
    }
    std::vector<std::vector<std::uint8_t>> all;
    all.reserve(addresses.size());
    for (const IpAddress& each : addresses) {
        all.push_back(octets_of(each));
    }
    return sdbus::Variant{all};
}

bool has_device(const Standing& tunnel) {
    return !tunnel.interface.empty() && !tunnel.addresses.empty();
}

}  // namespace

bus::Dictionary config_for(const Standing& tunnel) {
    const auto has = [&](Family family) {
        return has_device(tunnel) && !of_family(tunnel.addresses, family).empty();
    };
    const auto gateway = IpAddress::parse(tunnel.gateway);
    return {{"gateway", variant_of(gateway.value_or(IpAddress{}))},
            {"tundev", sdbus::Variant{has_device(tunnel) ? tunnel.interface : std::string("_none_")}},
            {"has-ip4", sdbus::Variant{has(Family::ipv4)}},
            {"has-ip6", sdbus::Variant{has(Family::ipv6)}},
            {"can-persist", sdbus::Variant{true}}};
}

std::optional<bus::Dictionary> ip_config_for(const Standing& tunnel, Family family) {
    const std::vector<IpAddress> addresses = of_family(tunnel.addresses, family);
    if (!has_device(tunnel) || addresses.empty()) {
        return std::nullopt;
    }
    bus::Dictionary config{{"address", variant_of(addresses.front())},
                           {"prefix", sdbus::Variant{static_cast<std::uint32_t>(addresses.front().bits())}},
                           {"never-default", sdbus::Variant{true}},
                           {"preserve-routes", sdbus::Variant{true}}};
    if (const std::vector<IpAddress> dns = of_family(tunnel.dns, family); !dns.empty()) {
        config.emplace("dns", variant_of(dns, family));
    }
    if (!tunnel.domains.empty()) {
        config.emplace("domains", sdbus::Variant{tunnel.domains});
    }
    return config;
}

}  // namespace keysluice::networkmanager
