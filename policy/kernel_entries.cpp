#include "policy/kernel_entries.hpp"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "policy/discard_rules.hpp"
#include "xfrm/ranges.hpp"

namespace keysluice::policy {

namespace {

std::vector<Prefix> prefixes_of(const std::vector<AddressRange>& ranges, Family family) {
    if (ranges.empty()) {
        return {Prefix{IpAddress::lowest(family), 0}};
    }
    std::vector<Prefix> prefixes;
    for (const AddressRange& each : ranges) {
        if (each.first.family() == family) {
            const auto split = xfrm::split_range(each.first, each.last);
            prefixes.insert(prefixes.end(), split.begin(), split.end());
        }
    }
    return prefixes;
}

std::vector<xfrm::PortMask> masks_of(const std::vector<PortRange>& ranges) {
    if (ranges.empty()) {
        return {xfrm::PortMask{}};
    }
    std::vector<xfrm::PortMask> masks;
    for (const PortRange& each : ranges) {
        const auto split = xfrm::split_ports(each.first, each.last);
        masks.insert(masks.end(), split.begin(), split.end());
    }
    return masks;
}

/// A policy's parts of one family, in the kernel's terms.
struct Parts {
    std::vector<Prefix> local;
    std::vector<Prefix> remote;
    std::vector<xfrm::PortMask> local_ports;
    std::vector<xfrm::PortMask> remote_ports;

    [[nodiscard]] std::size_t combinations() const {
        return local.size() * remote.size() * local_ports.size() * remote_ports.size();
    }
};

Parts parts_of(const Policy& policy, Family family) {
    return {.local = prefixes_of(policy.local, family),
            .remote = prefixes_of(policy.remote, family),
            .local_ports = masks_of(policy.local_ports),
            .remote_ports = masks_of(policy.remote_ports)};
}

xfrm::Selector selector_of(const Policy& policy, const Prefix& local, const Prefix& remote,
                           const xfrm::PortMask& local_port, const xfrm::PortMask& remote_port) {
    xfrm::Selector selector{.source = local,
                            .destination = remote,
                            .protocol = policy.protocol.value_or(0),
                            .source_port = local_port,
                            .destination_port = remote_port};
    if (policy.direction == Direction::in) {
        std::swap(selector.source, selector.destination);
        // Of ICMP these are type and code, whichever way it goes.
        if (!is_icmp(selector.protocol)) {
            std::swap(selector.source_port, selector.destination_port);
        }
    }
    return selector;
}

std::vector<xfrm::Selector> selectors_of(const Policy& policy, const Parts& parts) {
    std::vector<xfrm::Selector> selectors;
    for (const Prefix& local : parts.local) {
        for (const Prefix& remote : parts.remote) {
            for (const xfrm::PortMask& local_port : parts.local_ports) {
                for (const xfrm::PortMask& remote_port : parts.remote_ports) {
                    selectors.push_back(selector_of(policy, local, remote, local_port, remote_port));
                }
            }
        }
    }
    return selectors;
}

xfrm::Template template_of(const Protection& by, Direction direction, Family family) {
    const bool in = direction == Direction::in;
    const bool tunnel = by.mode == xfrm::Mode::tunnel;
    const IpAddress none = IpAddress::lowest(family);  // as the kernel tells it
    const IpAddress& source = in ? by.tunnel_remote : by.tunnel_local;
    const IpAddress& destination = in ? by.tunnel_local : by.tunnel_remote;
    return {.source = tunnel ? source : none,
            .destination = tunnel ? destination : none,
            .protocol = by.protocol,
            .mode = by.mode,
            .reqid = by.reqid};
}

/// What becomes of all its packets of one family, whatever their selector.
xfrm::Policy fate_of(const Policy& policy, Family family, Discards discards) {
    xfrm::Policy fate{.direction = policy.direction == Direction::in ? xfrm::Direction::in : xfrm::Direction::out,
                      .priority = policy.priority};
    switch (policy.disposition) {
        case Disposition::bypass:
            break;
        case Disposition::discard:
            if (discards == Discards::drained && policy.direction == Direction::out) {
                fate.templates = {drain()};
            } else {
                fate.action = xfrm::Action::block;
            }
            break;
        case Disposition::protect:
            fate.templates = {template_of(policy.protection, policy.direction, family)};
            break;
    }
    return fate;
}

}  // namespace

Result<std::vector<KernelEntry>> kernel_entries(std::span<const Policy> policies, Discards discards) {
    std::vector<KernelEntry> entries;
    std::set<xfrm::PolicyId> taken;
    for (std::size_t place = 0; place < policies.size(); ++place) {
        const Policy& policy = policies[place];
        const std::array parts{parts_of(policy, Family::ipv4), parts_of(policy, Family::ipv6)};
        if (const std::size_t all = parts[0].combinations() + parts[1].combinations(); all > kMostEntriesOfOne) {
            return fail("policy-too-fine",
                        fmt::format("policy {} becomes {} prefixes and port masks for the kernel, expected are at "
                                    "most {}: use prefixes instead of ranges, or several policies",
                                    policy.name, all, kMostEntriesOfOne));
        }
        for (const Family family : {Family::ipv4, Family::ipv6}) {
            xfrm::Policy entry = fate_of(policy, family, discards);
            for (const xfrm::Selector& selector : selectors_of(policy, parts.at(static_cast<std::size_t>(family)))) {
                entry.selector = selector;
                if (taken.insert(entry.id()).second) {
                    entries.push_back({.place = place, .policy = entry});
                }
            }
        }
    }
    return entries;
}

std::vector<xfrm::Selector> selectors_within(const Policy& policy, const xfrm::Selector& selector) {
    std::vector<xfrm::Selector> within;
    for (const xfrm::Selector& each : selectors_of(policy, parts_of(policy, selector.source.address.family()))) {
        if (const auto both = xfrm::overlap(selector, each)) {
            within.push_back(*both);
        }
    }
    return within;
}

}  // namespace keysluice::policy
