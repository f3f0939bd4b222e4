#pragma once

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "policy/region.hpp"

namespace keysluice::test {

inline constexpr std::uint8_t kUnportly = 200;  ///< a protocol without ports

struct Packet {
    std::uint8_t protocol = 0;
    IpAddress local;
    IpAddress remote;
    std::uint16_t local_port = 0;
    std::uint16_t remote_port = 0;

    [[nodiscard]] Family family() const { return local.family(); }
    [[nodiscard]] policy::Box box() const {
        const auto one = [](policy::Number number) { return policy::Interval{number, number}; };
        return {one(protocol), one(policy::number_of(local)), one(policy::number_of(remote)), one(local_port),
                one(remote_port)};
    }
    [[nodiscard]] std::string text() const {
        return std::to_string(protocol) + " " + local.text() + " " + std::to_string(local_port) + " > " +
               remote.text() + " " + std::to_string(remote_port);
    }
};

/// What an administrator would do by hand.
inline std::optional<std::size_t> first_match(const std::vector<policy::Policy>& policies, const Packet& packet) {
    const auto address_fits = [](const std::vector<policy::AddressRange>& ranges, const IpAddress& address) {
        return ranges.empty() || std::ranges::any_of(ranges, [&](const policy::AddressRange& each) {
                   return each.first <= address && address <= each.last;
               });
    };
    const auto port_fits = [](const std::vector<policy::PortRange>& ranges, std::uint16_t port) {
        return ranges.empty() || std::ranges::any_of(ranges, [&](const policy::PortRange& each) {
                   return each.first <= port && port <= each.last;
               });
    };
    for (std::size_t place = 0; place < policies.size(); ++place) {
        const policy::Policy& each = policies[place];
        if (each.protocol.value_or(packet.protocol) == packet.protocol && address_fits(each.local, packet.local) &&
            address_fits(each.remote, packet.remote) && port_fits(each.local_ports, packet.local_port) &&
            port_fits(each.remote_ports, packet.remote_port)) {
            return place;
        }
    }
    return std::nullopt;
}

/// Sets and packets from the same few addresses and ports, so that they meet.
class Dice {
   public:
    /// More of them on all sides become more prefixes and masks than the kernel is to be given.
    static constexpr std::size_t kMostRanges = 2;

    explicit Dice(unsigned seed) : random_(seed) {}

    bool one_in(unsigned count) { return below(count) == 0; }
    unsigned below(unsigned end) { return std::uniform_int_distribution<unsigned>(0, end - 1)(random_); }

    keysluice::policy::Policy policy(std::size_t place) {
        using policy::has_ports;
        using policy::is_icmp;
        policy::Policy made{.name = std::to_string(place), .disposition = policy::Disposition::protect};
        made.protection.reqid = {static_cast<std::uint32_t>(place + 1)};
        const Family family = one_in(2) ? Family::ipv4 : Family::ipv6;
        for (auto* side : {&made.local, &made.remote}) {
            while (side->size() < kMostRanges && !one_in(2)) {
                side->push_back(addresses(side == &made.local, one_in(4) ? other(family) : family));
            }
        }
        if (!one_in(3)) {
            made.protocol = protocol(family);
        }
        if (made.protocol && (has_ports(*made.protocol) || is_icmp(*made.protocol))) {
            for (auto* side : {&made.local_ports, &made.remote_ports}) {
                while (side->size() < kMostRanges && !one_in(2)) {
                    const auto first = port();
                    side->push_back({first, std::max(first, port())});
                }
            }
        }
        return made;
    }

    Packet packet() {
        const Family family = one_in(2) ? Family::ipv4 : Family::ipv6;
        Packet made{.protocol = protocol(family), .local = address(true, family), .remote = address(false, family)};
        if (made.protocol != kUnportly) {
            made.local_port = port();
            made.remote_port = port();
        }
        return made;
    }

   private:
    static Family other(Family family) { return family == Family::ipv4 ? Family::ipv6 : Family::ipv4; }

    IpAddress address(bool local, Family family) {
        const unsigned host = 1 + below(30);
        return *IpAddress::parse(family == Family::ipv4 ? (local ? "10.0.0." : "10.9.0.") + std::to_string(host)
                                                        : (local ? "fd00::" : "fd09::") + std::to_string(host));
    }
    policy::AddressRange addresses(bool local, Family family) {
        const IpAddress one = address(local, family);
        const IpAddress two = one_in(3) ? one : address(local, family);
        return {std::min(one, two), std::max(one, two)};
    }
    std::uint8_t protocol(Family family) {
        const std::array<std::uint8_t, 4> all{
            IPPROTO_UDP, IPPROTO_TCP, kUnportly,
            family == Family::ipv4 ? std::uint8_t{IPPROTO_ICMP} : std::uint8_t{IPPROTO_ICMPV6}};
        return all.at(below(4));
    }
    /// Also a type and a code.
    std::uint16_t port() { return static_cast<std::uint16_t>(150 + below(30)); }

    std::mt19937 random_;
};

}  // namespace keysluice::test
