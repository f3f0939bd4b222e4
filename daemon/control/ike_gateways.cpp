#include <algorithm>
#include <utility>

#include "daemon/control/ike_service.hpp"
#include "daemon/shared/log.hpp"

// The part of IkeService that finds the ways to a connection's gateways, and asks the kernel what has passed.

namespace keysluice::control {

const IkeConnection* IkeService::find_connection(const std::string& name) const {
    const auto found = std::ranges::find_if(configuration_.connections,
                                            [&](const IkeConnection& each) { return each.rules->name == name; });
    return found == configuration_.connections.end() ? nullptr : &*found;
}

/// Whether the kernel is to hold up packets for its children until there is an SA. With several gateways that goes
/// for connections that are to be up, too: there is always one that may come.
bool IkeService::is_trapped(const IkeConnection& connection) const {
    const bool kept = connection.start == IkeStart::on_load && connection.rules->gateways.several() &&
                      !down_.contains(connection.rules->name);
    return kept || connection.start == IkeStart::on_traffic;
}

void IkeService::untrap_others() {
    if (!kernel_) {
        return;
    }
    ChildInstaller::ChildNames kept;
    for (const IkeConnection& connection : configuration_.connections) {
        for (const ike::ChildRule& child : connection.rules->children) {
            if (is_trapped(connection)) {
                kept.emplace(connection.rules->name, child.name);
            }
        }
    }
    kernel_->untrap_all_but(kept);
}

/// With this gateway, or with the first behind it that there is a way to.
Result<IkeService::Ends> IkeService::ends_towards_any(const ike::Connection& rules, UdpEndpoint gateway) {
    for (std::size_t tried = 0; tried < rules.gateways.all.size(); ++tried) {
        if (auto ends = ends_towards(rules, gateway)) {
            return ends;
        }
        gateway = ike::gateway_after(rules.gateways, gateway);
    }
    return fail("no-route", "there is no way to any of its gateways");
}

bool IkeService::trap_gateways(const ike::Connection& rules) {
    const auto ends = ends_towards_any(rules, endpoint_.gateway(rules.name).value_or(rules.gateways.all.front()));
    if (ends && kernel_) {
        trap(rules, *ends);
    }
    return ends.has_value();
}

void IkeService::seek(const ike::Connection& rules, const std::string& child, const UdpEndpoint& gateway,
                      const std::optional<ike::PacketSelectors>& packet, bool probe) {
    if (auto ends = ends_towards(rules, gateway)) {
        initiate(rules.name, child, *ends, packet, probe);
    } else {
        log_peer_failure(fmt::format("connection {}, {}", rules.name, gateway.text()), ends.error());
        take(ike::NoWay{.connection = rules.name,
                        .child = child,
                        .gateway = gateway,
                        .why = std::move(ends).error(),
                        .probe = probe});
    }
}

bool IkeService::begin_with_gateways(const IkeConnection& connection) {
    const ike::Connection& rules = *connection.rules;
    if (!trap_gateways(rules)) {
        log_peer_failure(fmt::format("connection {}", rules.name),
                         {"no-route", "there is no way to any of its gateways"});
        return false;
    }
    const auto gateway = endpoint_.next_gateway(rules.name);
    if (connection.start == IkeStart::on_load && gateway) {
        seek(rules, {}, *gateway);
    }
    return true;
}

void IkeService::perform(const ike::SeekGateway& action) {
    if (const ike::ConnectionPtr rules = endpoint_.connection(action.connection)) {
        seek(*rules, action.child, action.gateway, {}, action.probe);
    }
}

void IkeService::perform(const ike::CountTraffic& action) {
    const ike::Sa* const sa = find(action.sa);
    if (sa == nullptr) {
        return;
    }
    count(*sa, [this, spi = action.sa](const Result<std::vector<ChildCounters>>& counted) {
        std::optional<ike::Traffic> traffic;
        if (counted) {
            traffic.emplace();
            for (const ChildCounters& each : *counted) {
                traffic->in += each.in ? each.in->packets : 0;
                traffic->out += each.out ? each.out->packets : 0;
            }
        }
        take(ike::TrafficCounted{.sa = spi, .traffic = traffic});
    });
}

}  // namespace keysluice::control
