#include "daemon/control/selectors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "policy/policy.hpp"
#include "xfrm/ranges.hpp"

namespace keysluice::control {
namespace {

using ike::wire::TrafficSelector;
using policy::has_ports;
using policy::is_icmp;

/// Repetitions among them.
constexpr std::size_t kMostBeforeSorting = 4 * kMostSelectors;

struct PortRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0xffff;

    [[nodiscard]] bool any() const { return first == 0 && last == 0xffff; }
    [[nodiscard]] bool opaque() const { return first > last; }
    bool operator==(const PortRange&) const = default;
};

PortRange ports_of(const TrafficSelector& selector) {
    return {selector.first_port, selector.last_port};
}

struct Ports {
    xfrm::PortMask source;
    xfrm::PortMask destination;
};

std::uint16_t octet_mask(unsigned mask) {
    return static_cast<std::uint16_t>(mask == 0 ? 0 : 0xff00U | mask);
}

/// Of ICMP, IKE has type and code in one number (RFC 7296 section 3.13.1), on both sides the same; the kernel takes
/// the type for the source's port and the code for the destination's.
std::vector<Ports> icmp_ports(const PortRange& local, const PortRange& remote) {
    if (!local.any() && !remote.any() && local != remote) {
        return {};
    }
    const PortRange& said = local.any() ? remote : local;
    std::vector<Ports> all;
    for (const xfrm::PortMask& each : xfrm::split_ports(said.first, said.last)) {
        all.push_back(
            {.source = {static_cast<std::uint16_t>(each.port >> 8U), octet_mask(each.mask >> 8U)},
             .destination = {static_cast<std::uint16_t>(each.port & 0xffU), octet_mask(each.mask & 0xffU)}});
    }
    return all;
}

std::vector<Ports> all_ports(std::uint8_t protocol, const PortRange& local, const PortRange& remote) {
    if (is_icmp(protocol)) {
        return icmp_ports(local, remote);
    }
    std::vector<Ports> all;
    for (const xfrm::PortMask& source : xfrm::split_ports(local.first, local.last)) {
        for (const xfrm::PortMask& destination : xfrm::split_ports(remote.first, remote.last)) {
            all.push_back({source, destination});
        }
    }
    return all;
}

/// 0 is any protocol; nothing where the two exclude each other.
std::optional<std::uint8_t> common_protocol(std::uint8_t a, std::uint8_t b) {
    if (a != 0 && b != 0 && a != b) {
        return std::nullopt;
    }
    return a != 0 ? a : b;
}

void add_pair(const TrafficSelector& local, const TrafficSelector& remote, std::vector<xfrm::Selector>& into) {
    const auto protocol = common_protocol(local.protocol, remote.protocol);
    if (local.first.family() != remote.first.family() || !protocol) {
        return;
    }
    const auto ports = all_ports(*protocol, ports_of(local), ports_of(remote));
    const auto destinations = xfrm::split_range(remote.first, remote.last);
    for (const Prefix& source : xfrm::split_range(local.first, local.last)) {
        for (const Prefix& destination : destinations) {
            for (const Ports& each : ports) {
                if (into.size() > kMostBeforeSorting) {
                    return;
                }
                into.push_back({source, destination, *protocol, each.source, each.destination});
            }
        }
    }
}

std::unexpected<Error> too_many() {
    return fail("selectors-too-many",
                fmt::format("the traffic selectors become more than {} prefixes and port masks for the kernel: use "
                            "prefixes instead of ranges",
                            kMostSelectors));
}

}  // namespace

Result<std::vector<xfrm::Selector>> kernel_selectors(const ike::TrafficSelectors& local,
                                                     const ike::TrafficSelectors& remote) {
    const auto opaque = [](const TrafficSelector& selector) { return ports_of(selector).opaque(); };
    if (std::ranges::any_of(local, opaque) || std::ranges::any_of(remote, opaque)) {
        return fail("selectors-opaque", "traffic selectors with OPAQUE ports can't be given to the kernel");
    }
    std::vector<xfrm::Selector> all;
    for (const TrafficSelector& ours : local) {
        for (const TrafficSelector& theirs : remote) {
            // So that no peer makes us work: beyond this it is too much, repetitions or not.
            if (all.size() <= kMostBeforeSorting) {
                add_pair(ours, theirs, all);
            }
        }
    }
    if (all.size() > kMostBeforeSorting) {
        return too_many();
    }
    std::ranges::sort(all);
    const auto repeated = std::ranges::unique(all);
    all.erase(repeated.begin(), repeated.end());
    if (all.empty()) {
        return fail("selectors-empty",
                    "no traffic selector of this side has a family and a protocol in common with one of the peer's");
    }
    if (all.size() > kMostSelectors) {
        return too_many();
    }
    return all;
}

ike::PacketSelectors packet_selectors(const xfrm::Selector& packet) {
    const bool ports = has_ports(packet.protocol);
    const auto side = [&](const Prefix& prefix, std::uint16_t port) {
        TrafficSelector selector = ike::selector_of(prefix.address);
        selector.protocol = packet.protocol;
        if (ports) {
            selector.first_port = selector.last_port = port;
        }
        return selector;
    };
    return {side(packet.source, packet.source_port.port), side(packet.destination, packet.destination_port.port)};
}

xfrm::Selector reversed(const xfrm::Selector& selector) {
    xfrm::Selector other = selector;
    std::swap(other.source, other.destination);
    // Of ICMP these are type and code, whoever sends.
    if (!is_icmp(selector.protocol)) {
        std::swap(other.source_port, other.destination_port);
    }
    return other;
}

}  // namespace keysluice::control
