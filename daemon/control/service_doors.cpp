#include <algorithm>

#include "daemon/control/control.hpp"
#include "daemon/control/listeners.hpp"
#include "daemon/shared/log.hpp"

// The part of Control that opens and closes the doors of TLS services, and hears from the processes behind them.

namespace keysluice::control {

std::optional<std::size_t> Control::index_of(ServiceId id) const {
    const auto found = index_.find(id);
    return found == index_.end() ? std::nullopt : std::optional(found->second);
}

const TlsService* Control::find_service(ServiceId id) const {
    const auto index = index_of(id);
    return index ? &configuration_.services[*index] : removed_.find(id);
}

void Control::set_services(std::vector<ServiceEntry> services) {
    control::set_services(configuration_, std::move(services));
    index_.clear();
    for (std::size_t index = 0; index < configuration_.services.size(); ++index) {
        index_.emplace(service_id(configuration_.services[index].name), index);
    }
}

Result<void> Control::bind_endpoint(const Endpoint& endpoint, Sockets& sockets) {
    const bool shared = is_shared_by_engines(endpoint);
    const auto count = static_cast<std::uint16_t>(shared ? 1 : configuration_.daemon.engines);
    for (std::uint16_t engine = 0; engine < count; ++engine) {
        const std::string name = listener_name(endpoint, engine);
        if (listeners_.contains(name)) {
            continue;
        }
        auto listener = bind_listener(endpoint, !shared);
        if (!listener) {
            return pass_on(std::move(listener));
        }
        sockets[name] = std::move(*listener);
    }
    return {};
}

std::chrono::milliseconds Control::longest_session() const {
    std::chrono::milliseconds longest{0};
    for (const TlsService& service : configuration_.services) {
        longest = std::max(longest, service.mode == Mode::server ? service.session_lifetime : longest);
    }
    return longest;
}

void Control::tell_tickets(Peer& peer) {
    Descriptors memory;
    memory.push_back(tickets_.file());
    if (peer.hello.kind == ProcessKind::engine && memory.front()) {
        static_cast<void>(peer.channel->send(Tickets{}, std::move(memory)));
    }
}

Result<void> Control::bind_endpoint(const Endpoint& endpoint) {
    Sockets sockets;
    auto bound = bind_endpoint(endpoint, sockets);
    for (auto& [name, listener] : sockets) {
        hold(name, std::move(listener));
    }
    return bound;
}

void Control::hold(const std::string& name, UniqueFd listener) {
    Descriptors copy;
    copy.push_back(duplicate_fd(listener));
    listeners_[name] = std::move(listener);
    static_cast<void>(keeper_.send(Listener{name}, std::move(copy)));
}

void Control::tell_service(Peer& peer, std::size_t index, std::uint32_t load) {
    const TlsService& service = configuration_.services[index];
    const ServiceId id = service_id(service.name);
    Descriptors sockets;
    const auto balance = balances_.find(id);
    const bool balanced = peer.hello.kind == ProcessKind::engine && balance != balances_.end() && balance->second;
    if (balanced) {
        sockets.push_back(duplicate_fd(balance->second));
    }
    if (peer.hello.kind == ProcessKind::engine) {
        for (const Endpoint& endpoint : service.listen) {
            const auto listener = listeners_.find(listener_name(endpoint, peer.hello.index));
            if (listener != listeners_.end()) {
                sockets.push_back(duplicate_fd(listener->second));
            }
        }
    }
    static_cast<void>(peer.channel->send(
        Service{.id = id, .settings = encode(service), .balanced = balanced, .load = load}, std::move(sockets)));
    if (!is_open(id)) {
        static_cast<void>(peer.channel->send(CloseService{id}));
    }
}

Result<void> Control::open_service(ServiceId id) {
    const auto index = index_of(id);
    if (!index) {
        return fail("not-found", "this service is not configured any more");
    }
    if (is_open(id)) {
        return {};
    }
    const TlsService& service = configuration_.services[*index];
    // Whether somebody else has the address was asked when we had it first, and the keeper may hold our socket for a
    // moment yet.
    for (const Endpoint& endpoint : service.listen) {
        if (auto bound = bind_endpoint(endpoint); !bound) {
            forget(service);
            return bound;
        }
    }
    closed_.erase(id);
    for (Peer& peer : peers_) {
        if (peer.known) {
            tell_service(peer, *index);
        }
    }
    changes_.service("service-up", service.name, {});
    return {};
}

void Control::close_service(ServiceId id, TlsSessions::Ended done) {
    if (const auto index = index_of(id); index && closed_.insert(id).second) {
        static_cast<void>(send_all(CloseService{id}));
        forget(configuration_.services[*index]);
        changes_.service("service-down", configuration_.services[*index].name, {});
    }
    sessions_.end_all_of(id, std::move(done));
}

void Control::forget(const TlsService& service) {
    for (const Endpoint& endpoint : service.listen) {
        const auto engines = static_cast<std::uint16_t>(configuration_.daemon.engines);
        for (std::uint16_t engine = 0; engine < engines; ++engine) {
            const std::string name = listener_name(endpoint, engine);
            if (listeners_.erase(name) > 0) {
                static_cast<void>(keeper_.send(ForgetListener{name}));
            }
        }
    }
}

std::vector<Hello> Control::send_all(const Message& message) {
    std::vector<Hello> reached;
    for (Peer& peer : peers_) {
        if (peer.known && peer.channel->send(message)) {
            reached.push_back(peer.hello);
        }
    }
    return reached;
}

void Control::on_answer(const Peer& peer, Message message) {
    if (auto* counters = std::get_if<Counters>(&message)) {
        status_->on_counters(peer.hello, std::move(*counters));
    } else if (auto* listed = std::get_if<Sessions>(&message)) {
        sessions_.on_answer(peer.hello, std::move(*listed));
    } else if (const auto* ended = std::get_if<SessionsEnded>(&message)) {
        sessions_.on_answer(peer.hello, *ended);
    } else if (const auto* failures = std::get_if<Failures>(&message)) {
        on_failures(*failures);
    } else if (std::holds_alternative<TicketReceived>(message) && peer.hello.kind == ProcessKind::relay) {
        // The engine of its number has begun what the relay carries.
        const auto engine = std::ranges::find_if(peers_, [&](const Peer& each) {
            return each.known && each.hello.kind == ProcessKind::engine && each.hello.index == peer.hello.index;
        });
        if (engine != peers_.end()) {
            static_cast<void>(engine->channel->send(message));
        }
    }
}

void Control::on_failures(const Failures& failures) {
    for (const Failure& failure : failures.failures) {
        if (const TlsService* service = find_service(failure.service)) {
            changes_.service("tls-failed", service->name, failure);
        }
    }
}

}  // namespace keysluice::control
