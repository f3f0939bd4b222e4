#include "daemon/control/interface_reader.hpp"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "daemon/shared/quoted.hpp"
#include "netlink/xfrm_interfaces.hpp"

namespace keysluice::control {
namespace {

constexpr std::int64_t kLeastMtu = 1280;  // RFC 8200 section 5: what IPv6 needs
constexpr std::int64_t kMostMtu = 65'535;

/// What the kernel takes (net/core/dev.c, dev_valid_name()), without what would surprise somebody in a shell.
bool is_interface_name(std::string_view name) {
    return !name.empty() && name.size() < IF_NAMESIZE && name.front() != '-' && name != "." && name != ".." &&
           std::ranges::all_of(
               name,
               [](char each) {
                   return std::isalnum(static_cast<unsigned char>(each)) != 0 || each == '-' || each == '_' ||
                          each == '.';
               });
}

/// The same for the same name in each process: FNV-1a, of which 24 bits are used.
std::uint32_t number_of(std::string_view name) {
    std::uint32_t hash = 0x811c9dc5;
    for (const char each : name) {
        hash = (hash ^ static_cast<std::uint8_t>(each)) * 0x01000193;
    }
    using netlink::XfrmInterfaces;
    return XfrmInterfaces::kMark | (hash & ~XfrmInterfaces::kMarkMask);
}

}  // namespace

void read_interface(Section& section, IkeConnection& connection) {
    ike::Interface& interface = connection.rules->interface;
    section.integer("interface_mtu", kLeastMtu, kMostMtu, interface.mtu);
    const std::string* const name = section.text("interface", "a string with the name of an interface");
    connection.interface_at = section.position("interface");
    if (name == nullptr) {
        if (section.has("interface_mtu")) {
            section.require("interface", "interface_mtu");
        }
        return;
    }
    if (!is_interface_name(*name)) {
        section.report(connection.interface_at, "bad-interface",
                       fmt::format("interface = {}: expected a name of at most {} letters, digits, \".\", \"_\" and "
                                   "\"-\", such as \"ks-hq\"",
                                   in_quotes(*name), IF_NAMESIZE - 1));
        return;
    }
    interface.name = *name;
    interface.id = number_of(*name);
    for (const ike::ChildRule& child : connection.rules->children) {
        if (child.mode != ike::Mode::tunnel || child.offload == ike::Offload::crypto ||
            child.offload == ike::Offload::packet) {
            section.report(connection.interface_at, "interface-unfit",
                           fmt::format("interface: child {} can't be behind one: expected mode = \"tunnel\" and "
                                       "offload = \"auto\" or \"off\", since the kernel offloads no SA of an XFRM "
                                       "interface",
                                       in_quotes(child.name)));
        }
    }
}

void check_interfaces(const IkeConfiguration& ike, Diagnostics& diagnostics) {
    std::map<std::uint32_t, const IkeConnection*> by_number;
    for (const IkeConnection& connection : ike.connections) {
        const ike::Interface& interface = connection.rules->interface;
        if (interface.id == 0) {
            continue;
        }
        const IkeConnection& first = *by_number.try_emplace(interface.id, &connection).first->second;
        const ike::Interface& earlier = first.rules->interface;
        if (earlier.name != interface.name) {
            diagnostics.push_back(
                {connection.interface_at, "interface-unfit",
                 fmt::format("interface = {}: it would have the same number as {} at {}: expected "
                             "another name",
                             in_quotes(interface.name), in_quotes(earlier.name), to_string(first.interface_at))});
        } else if (earlier.mtu != interface.mtu) {
            diagnostics.push_back({connection.interface_at, "interface-unfit",
                                   fmt::format("interface_mtu = {}: the same interface has {} at {}", interface.mtu,
                                               earlier.mtu, to_string(first.interface_at))});
        }
    }
}

}  // namespace keysluice::control
