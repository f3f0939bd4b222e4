#include <algorithm>
#include <iterator>
#include <utility>

#include "base/reasons.hpp"
#include "daemon/control/control.hpp"
#include "daemon/control/listeners.hpp"
#include "daemon/control/preparation.hpp"
#include "daemon/shared/clock.hpp"
#include "daemon/shared/log.hpp"

// The part of Control that goes over to the TLS services of a configuration that was read anew (docs/decisions/0013):
// addresses are bound, engines load files, and only then anybody uses any of it.

namespace keysluice::control {
namespace {

std::uint16_t port_of(const Endpoint& endpoint) {
    if (const auto* ipv4 = std::get_if<Ipv4Endpoint>(&endpoint)) {
        return ipv4->port;
    }
    const auto* ipv6 = std::get_if<Ipv6Endpoint>(&endpoint);
    return ipv6 == nullptr ? 0 : ipv6->port;
}

Diagnostic stays(const ServiceEntry& entry, const Position& where, std::string_view reason, std::string_view why) {
    return {.where = where,
            .reason = reason,
            .sentence = fmt::format("service {} stays as it was: {}", entry.service.name, why)};
}

/// Codes come over a channel as texts; diagnostics refer to those of the registry.
std::string_view code_of(const std::string& reason) {
    const Reason* const known = find_reason(reason);
    return known == nullptr ? "message-malformed" : known->code;
}

}  // namespace

void Control::warn_of_restart(const Configuration& fresh) const {
    const auto compare = [](bool same, std::string_view what) {
        if (!same) {
            log_warning("{} has changed: that takes a restart of keysluice", what);
        }
    };
    const DaemonSettings& now = configuration_.daemon;
    // Engines that have nothing to do any more stay.
    compare(fresh.daemon.engines == now.engines || fresh.daemon.engines == 0, "engines in [daemon]");
    compare(fresh.daemon.runtime_directory == now.runtime_directory, "runtime_directory in [daemon]");
    compare(fresh.daemon.bus == now.bus, "bus in [daemon]");
    // The others were given theirs when they were started.
    compare(fresh.daemon.log_level == now.log_level,
            "log_level in [daemon], which keysluiced obeys now, but engines, relays and keeper don't,");
    compare(fresh.ike.settings == configuration_.ike.settings, "[ike]");
}

void Control::reload_services(std::vector<ServiceEntry> fresh, Reloaded done) {
    if (!door_) {
        set_services(std::move(fresh));  // nobody has been told of any
        done({});
        return;
    }
    reload_ = std::make_unique<ServiceReload>(ServiceReload{.fresh = std::move(fresh), .done = std::move(done)});
    for (const ServiceEntry& entry : reload_->fresh) {
        bind_fresh(entry);
    }
    load_services();
}

void Control::bind_fresh(const ServiceEntry& entry) {
    auto& wrong = reload_->wrong;
    const std::string& name = entry.service.name;
    if (configuration_.daemon.engines == 0) {
        wrong.emplace(name, stays(entry, entry.source.section, "engines-missing",
                                  "keysluice began without handshake engines; that takes a restart"));
        return;
    }
    if (!is_open(service_id(name))) {
        return;
    }
    for (std::size_t i = 0; i < entry.service.listen.size(); ++i) {
        const Endpoint& endpoint = entry.service.listen[i];
        if (listeners_.contains(listener_name(endpoint, 0))) {
            continue;
        }
        auto bound = has_neighbour(endpoint) ? Result<void>{} : check_address_is_free(endpoint);
        if (bound) {
            bound = bind_endpoint(endpoint, reload_->sockets);
        }
        if (!bound) {
            wrong.emplace(name, stays(entry, entry.source.listen[i], bound.error().reason, bound.error().sentence));
        }
    }
}

bool Control::has_neighbour(const Endpoint& endpoint) const {
    return !is_shared_by_engines(endpoint) && std::ranges::any_of(configuration_.services, [&](const auto& service) {
        return std::ranges::any_of(service.listen, [&](const Endpoint& each) {
            return each.index() == endpoint.index() && port_of(each) == port_of(endpoint);
        });
    });
}

void Control::load_services() {
    std::vector<ServiceLoading::Service> services;
    for (const ServiceEntry& entry : reload_->fresh) {
        if (!reload_->wrong.contains(entry.service.name)) {
            services.push_back({.id = service_id(entry.service.name), .settings = encode(entry.service)});
        }
    }
    std::vector<Hello> processes;
    for (const Peer& peer : peers_) {
        if (peer.known) {
            processes.push_back(peer.hello);
        }
    }
    loading_.begin(std::move(services), processes,
                   [this](const ServiceLoading::Outcome& outcome) { use_services(outcome); });
}

void Control::use_services(const ServiceLoading::Outcome& outcome) {
    blame(outcome);
    std::set<std::string> failed;
    for (const auto& [name, diagnostic] : reload_->wrong) {
        failed.insert(name);
    }
    const ServicePlan plan = plan_services(services_of(configuration_), reload_->fresh, failed);
    for (const ServiceEntry& entry : plan.serve) {
        if (plan.held_back.contains(entry.service.name)) {
            reload_->wrong.emplace(entry.service.name,
                                   stays(entry, entry.source.section, "address-still-needed",
                                         "an address goes from it, or comes to it, together with another service "
                                         "that stays as it was"));
        }
    }
    remove_services(plan);
    set_services(plan.serve);
    take_sockets();
    share_unix_sockets();
    if (!limits_) {
        renew_limits();
    }
    tell_news(plan, outcome);
    forget_unused();
    finish_reload(plan);
}

void Control::blame(const ServiceLoading::Outcome& outcome) {
    for (const ServiceEntry& entry : reload_->fresh) {
        const auto refused = outcome.refused.find(service_id(entry.service.name));
        if (refused != outcome.refused.end()) {
            const std::string_view reason = code_of(refused->second.reason);
            const std::string& sentence = refused->second.sentence;
            const Position& place = control::blame(entry.service, entry.source, reason, sentence);
            reload_->wrong.emplace(entry.service.name, stays(entry, place, reason, sentence));
        }
    }
}

void Control::remove_services(const ServicePlan& plan) {
    for (const std::string& name : plan.removed) {
        const ServiceId id = service_id(name);
        removed_.add(*find_service(id));
        closed_.erase(id);
        balances_.erase(id);
        std::erase_if(loaded_, [id](const auto& each) { return each.second == id; });
        // Relays take what has been negotiated.
        for (Peer& peer : peers_) {
            if (peer.known && peer.hello.kind == ProcessKind::engine) {
                static_cast<void>(peer.channel->send(CloseService{id}));
            }
        }
        changes_.service("service-removed", name, {});
    }
    removal_.arm(now() + kRemovalTick);
}

/// Those of services that are served now; the others close.
void Control::take_sockets() {
    Sockets sockets = std::exchange(reload_->sockets, {});
    const auto engines = static_cast<std::uint16_t>(configuration_.daemon.engines);
    for (const TlsService& service : configuration_.services) {
        if (!is_open(service_id(service.name))) {
            continue;
        }
        for (const Endpoint& endpoint : service.listen) {
            for (std::uint16_t engine = 0; engine < engines; ++engine) {
                if (auto socket = sockets.extract(listener_name(endpoint, engine))) {
                    hold(socket.key(), std::move(socket.mapped()));
                }
            }
            // A service that was opened meanwhile.
            if (auto bound = bind_endpoint(endpoint); !bound) {
                log_error("service {}: {} ({})", service.name, bound.error().sentence, bound.error().reason);
            }
        }
    }
}

void Control::tell_news(const ServicePlan& plan, const ServiceLoading::Outcome& outcome) {
    std::set<std::string> news(plan.added.begin(), plan.added.end());
    news.insert(plan.changed.begin(), plan.changed.end());
    for (const std::string& name : news) {
        removed_.take_back(service_id(name));
    }
    for (Peer& peer : peers_) {
        if (!peer.known) {
            continue;
        }
        for (std::size_t index = 0; index < configuration_.services.size(); ++index) {
            const std::string& name = configuration_.services[index].name;
            if (!reload_->wrong.contains(name) && (news.contains(name) || outcome.fresh.contains(service_id(name)))) {
                tell_service(peer, index, outcome.load);
            }
        }
        static_cast<void>(peer.channel->send(ServicesComplete{}));
    }
    for (const auto& [name, diagnostic] : reload_->wrong) {
        if (find_service(service_id(name)) == nullptr) {
            static_cast<void>(send_all(ForgetService{service_id(name)}));
        }
    }
}

void Control::finish_reload(const ServicePlan& plan) {
    for (const std::string& name : plan.added) {
        changes_.service("service-added", name, {});
    }
    for (const std::string& name : plan.changed) {
        changes_.service("service-changed", name, {});
    }
    Diagnostics left_out;
    for (auto& [name, diagnostic] : reload_->wrong) {
        left_out.push_back(std::move(diagnostic));
    }
    log_info("TLS services: {} are served; {} are new, {} have changed, {} are gone, {} stay as they were",
             configuration_.services.size(), plan.added.size(), plan.changed.size(), plan.removed.size(),
             left_out.size());
    changes_.reloaded();
    tickets_.look();
    // Who answers this has heard all that was said before: what comes from now on is served as the file says.
    sessions_.list({ServiceId{}}, {}, 1,
                   [done = std::move(reload_->done), left_out = std::move(left_out)](const auto&) mutable {
                       done(std::move(left_out));
                   });
    reload_.reset();
}

void Control::look_at_removed() {
    if (removed_.any()) {
        removal_.arm(now() + kRemovalTick);
        count([this](const std::vector<ProcessCounters>& counted) { forget_idle(counted); });
    }
}

void Control::forget_idle(const std::vector<ProcessCounters>& counted) {
    // A process that is missing may have connections.
    if (counted.size() < std::size_t{2} * configuration_.daemon.engines ||
        !std::ranges::all_of(counted, &ProcessCounters::answered)) {
        return;
    }
    std::set<ServiceId> configured;
    for (const auto& [id, index] : index_) {
        configured.insert(id);
    }
    for (const ServiceId id : removed_.idle(counted, configured)) {
        static_cast<void>(send_all(ForgetService{id}));
    }
}

}  // namespace keysluice::control
