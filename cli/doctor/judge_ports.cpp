#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cli/doctor/judge.hpp"

namespace keysluice::doctor {
namespace {

/// Address and port; nothing of a path.
std::optional<UdpEndpoint> place_of(const Endpoint& endpoint) {
    if (const auto* ipv4 = std::get_if<Ipv4Endpoint>(&endpoint)) {
        return UdpEndpoint{IpAddress::from_octets(ipv4->address).value_or(IpAddress{}), ipv4->port};
    }
    if (const auto* ipv6 = std::get_if<Ipv6Endpoint>(&endpoint)) {
        return UdpEndpoint{IpAddress::from_octets(ipv6->address).value_or(IpAddress{}), ipv6->port};
    }
    return {};
}

bool overlap(const UdpEndpoint& ours, const SocketFacts& theirs) {
    if (theirs.udp || ours.port != theirs.port) {
        return false;
    }
    if (theirs.address.family() != ours.address.family()) {
        // Who listens at "::" gets what comes by IPv4, too, as a rule.
        return theirs.address.family() == Family::ipv6 && theirs.address.unspecified();
    }
    return ours.address.unspecified() || theirs.address.unspecified() || ours.address == theirs.address;
}

bool is_ours(const Process& process) {
    return process.name.starts_with("keysluice");
}

Finding taken(std::string_view name, const Process& stranger) {
    return {"port",
            Verdict::wrong,
            fmt::format("{} is taken by {} (process {})", name, stranger.name, stranger.pid),
            {fmt::format("systemctl status {}   # which service it is of; then systemctl disable --now SERVICE",
                         stranger.pid)},
            {}};
}

/// The worst that there is to say of all who have it.
Finding judge_port(std::string_view name, const std::vector<const SocketFacts*>& holders, std::string_view look) {
    Finding finding{"port", Verdict::ok, fmt::format("{} is free", name), {}, {}};
    for (const SocketFacts* each : holders) {
        const std::optional<Process>& owner = each->owner;
        if (owner && !is_ours(*owner)) {
            return taken(name, *owner);
        }
        if (owner && finding.verdict == Verdict::ok) {
            finding.found = fmt::format("{} is with {} (process {})", name, owner->name, owner->pid);
        } else if (!owner) {
            finding.verdict = Verdict::unknown;
            finding.found = fmt::format("{} is taken, and only root can see by whom", name);
            finding.remedy = {fmt::format("sudo {}", look)};
        }
    }
    return finding;
}

struct Rival {
    std::string_view process;
    std::string_view unit;
};
constexpr std::array kRivals{Rival{"charon", "strongswan-starter"}, Rival{"charon-systemd", "strongswan"},
                             Rival{"pluto", "ipsec"}, Rival{"iked", "iked"}, Rival{"racoon", "racoon"}};

}  // namespace

void judge_ports(const Facts& facts, const Wants& wants, Findings& findings) {
    const auto holders = [&](auto&& matches) {
        std::vector<const SocketFacts*> found;
        for (const SocketFacts& socket : facts.sockets) {
            if (matches(socket)) {
                found.push_back(&socket);
            }
        }
        return found;
    };
    if (wants.ike) {
        for (const std::uint16_t port : {wants.ike_port, wants.nat_port}) {
            Finding finding = judge_port(
                fmt::format("UDP port {}", port),
                holders([&](const SocketFacts& socket) { return socket.udp && socket.port == port; }), "ss -lunp");
            finding.reason = finding.verdict == Verdict::wrong ? "ike-bind-failed" : "";
            findings.push_back(std::move(finding));
        }
    }
    for (const Wants::Listener& listener : wants.listeners) {
        const std::optional<UdpEndpoint> place = place_of(listener.endpoint);
        if (!place) {
            continue;
        }
        const UdpEndpoint& ours = *place;
        Finding finding =
            judge_port(fmt::format("{} of service {}", to_string(listener.endpoint), listener.service),
                       holders([&ours](const SocketFacts& socket) { return overlap(ours, socket); }), "ss -ltnp");
        finding.reason = finding.verdict == Verdict::wrong ? "address-in-use" : "";
        findings.push_back(std::move(finding));
    }
}

void judge_rivals(const Facts& facts, const Wants& wants, Findings& findings) {
    if (!wants.ike) {
        return;
    }
    bool alone = true;
    for (const Process& process : facts.processes) {
        const auto rival = std::ranges::find(kRivals, process.name, &Rival::process);
        if (rival != kRivals.end()) {
            alone = false;
            findings.push_back({"rival",
                                Verdict::wrong,
                                fmt::format("{} (process {}) runs: two daemons of IKE take each other's ports, SAs "
                                            "and policies",
                                            process.name, process.pid),
                                {fmt::format("systemctl disable --now {}", rival->unit)},
                                {}});
        }
    }
    if (alone) {
        findings.push_back({"rival", Verdict::ok, "no other daemon of IKE runs", {}, {}});
    }
}

}  // namespace keysluice::doctor
