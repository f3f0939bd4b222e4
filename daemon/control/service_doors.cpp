#include <algorithm>

#include "daemon/control/control.hpp"
#include "daemon/control/listeners.hpp"
#include "daemon/shared/log.hpp"

// The part of Control that opens and closes the doors of TLS services, and hears from the processes behind them.

namespace keysluice::control {
namespace {

ServiceId id_of(std::size_t index) {
    return {static_cast<std::uint16_t>(index)};
}

}  // namespace

Result<void> Control::bind_endpoint(const Endpoint& endpoint) {
    const bool shared = is_shared_by_engines(endpoint);
    const auto sockets = static_cast<std::uint16_t>(shared ? 1 : configuration_.daemon.engines);
    for (std::uint16_t engine = 0; engine < sockets; ++engine) {
        const std::string name = listener_name(endpoint, engine);
        if (listeners_.contains(name)) {
            continue;
        }
        auto listener = bind_listener(endpoint, !shared);
        if (!listener) {
            return pass_on(std::move(listener));
        }
        Descriptors copy;
        copy.push_back(duplicate_fd(*listener));
        listeners_[name] = std::move(*listener);
        static_cast<void>(keeper_.send(Listener{name}, std::move(copy)));
    }
    return {};
}

void Control::tell_service(Peer& peer, std::size_t index) {
    const TlsService& service = configuration_.services[index];
    Descriptors sockets;
    const bool balanced = peer.hello.kind == ProcessKind::engine && balances_.contains(index);
    if (balanced) {
        sockets.push_back(duplicate_fd(balances_.at(index)));
    }
    if (peer.hello.kind == ProcessKind::engine) {
        for (const Endpoint& endpoint : service.listen) {
            const auto listener = listeners_.find(listener_name(endpoint, peer.hello.index));
            if (listener != listeners_.end()) {
                sockets.push_back(duplicate_fd(listener->second));
            }
        }
    }
    static_cast<void>(peer.channel->send(Service{id_of(index), encode(service), balanced}, std::move(sockets)));
    if (!is_open(index)) {
        static_cast<void>(peer.channel->send(CloseService{id_of(index)}));
    }
}

Result<void> Control::open_service(std::size_t index) {
    if (is_open(index)) {
        return {};
    }
    // Whether somebody else has the address was asked when we had it first, and the keeper may hold our socket for a
    // moment yet.
    for (const Endpoint& endpoint : configuration_.services[index].listen) {
        if (auto bound = bind_endpoint(endpoint); !bound) {
            forget(index);
            return bound;
        }
    }
    closed_.erase(index);
    for (Peer& peer : peers_) {
        if (peer.known) {
            tell_service(peer, index);
        }
    }
    changes_.service("service-up", configuration_.services[index].name, {});
    return {};
}

void Control::close_service(std::size_t index, TlsSessions::Ended done) {
    if (closed_.insert(index).second) {
        static_cast<void>(send_all(CloseService{id_of(index)}));
        forget(index);
        changes_.service("service-down", configuration_.services[index].name, {});
    }
    sessions_.end_all_of(id_of(index), std::move(done));
}

void Control::forget(std::size_t index) {
    for (const Endpoint& endpoint : configuration_.services[index].listen) {
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
    }
}

void Control::on_failures(const Failures& failures) {
    for (const Failure& failure : failures.failures) {
        if (failure.service.value < configuration_.services.size()) {
            changes_.service("tls-failed", configuration_.services[failure.service.value].name, failure);
        }
    }
}

}  // namespace keysluice::control
