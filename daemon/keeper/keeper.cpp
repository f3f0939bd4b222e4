#include "daemon/keeper/keeper.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/shared/log.hpp"
#include "daemon/shared/sockets.hpp"

namespace keysluice {

Result<std::unique_ptr<Keeper>> Keeper::create(Loop& loop, const std::string& runtime_directory, std::size_t places,
                                               OnDraining on_draining, UniqueFd door, Listeners listeners) {
    auto socket = door ? Result<UniqueFd>(std::move(door))
                       : ChannelListener::bind(runtime_path(runtime_directory, "keeper.sock"));
    if (!socket) {
        return pass_on(std::move(socket));
    }
    return std::unique_ptr<Keeper>(
        new Keeper(loop, std::move(*socket), places, std::move(on_draining), std::move(listeners)));
}

Keeper::Keeper(Loop& loop, UniqueFd socket, std::size_t places, OnDraining on_draining, Listeners listeners)
    : loop_(loop),
      listeners_(std::move(listeners)),
      places_(places),
      on_draining_(std::move(on_draining)),
      door_(loop, std::move(socket), [this](UniqueFd accepted) {
          Peer& peer = peers_.emplace_back();
          peer.number = ++last_number_;
          peer.channel = std::make_unique<Channel>(loop_, std::move(accepted), *this);
      }) {}

Keeper::~Keeper() = default;

void Keeper::on_message(Channel& channel, Message message, Descriptors descriptors) {
    const auto peer = std::ranges::find_if(peers_, [&](const Peer& one) { return one.channel.get() == &channel; });
    if (const auto* hello = std::get_if<Hello>(&message); hello != nullptr && !peer->known) {
        if (!users_.may_be(channel.peer_uid(), hello->kind)) {
            log_error("a process of user {} says that it is the {}: it is not listened to", channel.peer_uid(),
                      name_of(hello->kind));
            return;
        }
        on_hello(*peer, *hello);
        return;
    }
    if (!peer->known) {
        return;
    }
    switch (peer->hello.kind) {
        case ProcessKind::control:
            on_control(*peer, message, std::move(descriptors));
            break;
        case ProcessKind::engine:
            on_engine(*peer, message, std::move(descriptors));
            break;
        case ProcessKind::relay:
            on_relay(*peer, message, std::move(descriptors));
            break;
    }
}

void Keeper::on_hello(Peer& peer, const Hello& hello) {
    peer.hello = hello;
    peer.known = true;
    switch (hello.kind) {
        case ProcessKind::control:
            tell_listeners(*peer.channel);
            break;
        case ProcessKind::engine:
            adjust_engines();
            break;
        case ProcessKind::relay:
            peer.asked = share_of(hello.index) == nullptr;
            if (peer.asked) {
                static_cast<void>(peer.channel->send(AskHeld{}));
            } else {
                serve(peer);
            }
            break;
    }
}

void Keeper::tell_listeners(Channel& channel) {
    for (const auto& [name, socket] : listeners_.all()) {
        Descriptors copy;
        copy.push_back(duplicate_fd(socket));
        static_cast<void>(channel.send(Listener{name}, std::move(copy)));
    }
    static_cast<void>(channel.send(ListenersComplete{}));
}

void Keeper::on_control(Peer& /*peer*/, const Message& message, Descriptors descriptors) {
    if (const auto* listener = std::get_if<Listener>(&message); listener != nullptr && descriptors.size() == 1) {
        listeners_.hold(listener->name, std::move(descriptors[0]));
    } else if (const auto* forgotten = std::get_if<ForgetListener>(&message)) {
        listeners_.forget(forgotten->name);
    } else if (const auto* engines = std::get_if<Engines>(&message)) {
        on_engines(engines->count);
    }
}

void Keeper::on_engines(std::size_t count) {
    engines_ = std::max(engines_, count);
    for (Peer& peer : peers_) {
        if (peer.known && peer.hello.kind == ProcessKind::relay && peer.empty) {
            serve(peer);
        }
    }
    adjust_engines();
}

void Keeper::serve(Peer& relay) {
    RelayShare* share = share_of(relay.hello.index);
    if (share != nullptr) {
        if (!share->incomplete()) {
            relay.empty = false;
            share->connect(*relay.channel);
            confirm(*share);
        }
        return;
    }
    if (!relay.empty || relay.hello.index >= engines_) {
        return;
    }
    const std::size_t without = engines_ - std::min(engines_, shares_.size());
    const std::size_t slots =
        std::clamp<std::size_t>(places_ / std::max<std::size_t>(without, 1), 1, RelayShare::kMostSlots);
    auto made = RelayShare::create(slots);
    if (!made) {
        log_error("{} ({})", made.error().sentence, made.error().reason);
        return;
    }
    places_ -= std::min(places_, slots);
    log_info("relay {} has room for {} kernel-carried connections", relay.hello.index, slots);
    if (!made->keeps_secrets()) {
        log_warning(
            "relay {}: connections that the kernel carries can't change their keys: the limit of locked memory "
            "is too low for their secrets (LimitMEMLOCK=, ulimit -l)",
            relay.hello.index);
    }
    shares_.emplace(relay.hello.index, std::move(*made));
    serve(relay);
    adjust_engines();
}

std::string Keeper::status() const {
    std::size_t used = 0;
    for (const auto& [index, share] : shares_) {
        used += share.used();
    }
    return fmt::format("{} connections of {} relays and {} listening sockets are in safe keeping", used,
                       shares_.size(), listeners_.all().size());
}

void Keeper::on_engine(Peer& peer, const Message& message, Descriptors descriptors) {
    if (const auto* handover = std::get_if<Handover>(&message); handover != nullptr && !descriptors.empty()) {
        on_handover(peer, *handover, std::move(descriptors));
    } else if (std::holds_alternative<Draining>(message)) {
        on_draining_(peer.hello.index);
    }
}

void Keeper::on_handover(const Peer& engine, const Handover& handover, Descriptors sockets) {
    RelayShare* share = share_of(engine.hello.index);
    if (share != nullptr && handover.again && share->holds(sockets.front())) {
        static_cast<void>(engine.channel->send(Taken{{handover.token}}));
        return;
    }
    if (share == nullptr || share->full()) {
        // adjust_engines() stops reading before this happens; what slips through is refused visibly.
        std::ranges::for_each(sockets, [](const UniqueFd& socket) { reset_on_close(socket.get()); });
        static_cast<void>(engine.channel->send(Taken{{handover.token}}));
        return;
    }
    share->take(handover.connection, std::move(sockets), {.engine = engine.number, .token = handover.token},
                handover.secrets.get());
    if (share->full()) {
        log_warning("relay {} has no place left for connections; new ones wait", engine.hello.index);
        adjust_engines();
    }
    confirm(*share);
}

void Keeper::confirm(RelayShare& share) {
    std::map<std::uint64_t, Taken> heard;
    for (const RelayShare::Origin& origin : share.take_heard()) {
        heard[origin.engine].tokens.push_back(origin.token);
    }
    for (auto& [number, taken] : heard) {
        const auto engine = std::ranges::find(peers_, number, &Peer::number);
        if (engine == peers_.end()) {
            continue;
        }
        for (std::size_t at = 0; at < taken.tokens.size(); at += kMaximumListed) {
            const auto first = taken.tokens.begin() + static_cast<std::ptrdiff_t>(at);
            const auto count = std::min(kMaximumListed, taken.tokens.size() - at);
            static_cast<void>(engine->channel->send(Taken{{first, first + static_cast<std::ptrdiff_t>(count)}}));
        }
    }
}

void Keeper::on_relay(Peer& peer, const Message& message, Descriptors descriptors) {
    if (peer.asked && std::holds_alternative<Table>(message)) {
        on_table(peer, std::move(descriptors));
        return;
    }
    if (peer.asked && std::holds_alternative<HeldComplete>(message)) {
        on_all_held(peer);
        return;
    }
    RelayShare* found = share_of(peer.hello.index);
    if (found == nullptr || (peer.asked && found->channel() != peer.channel.get())) {
        return;
    }
    RelayShare& share = *found;
    if (const auto* adopt = std::get_if<Adopt>(&message); adopt != nullptr && peer.asked) {
        share.restore(adopt->slot, std::move(descriptors));
    } else if (const auto* attach = std::get_if<Attach>(&message); attach != nullptr && descriptors.size() == 1) {
        share.attach(attach->slot, std::move(descriptors[0]));
    } else if (const auto* pipe = std::get_if<Pipe>(&message)) {
        share.keep_pipe(pipe->pipe, std::move(descriptors));
    } else if (const auto* release = std::get_if<Release>(&message)) {
        const bool was_full = share.full();
        std::ranges::for_each(release->slots, [&share](Slot slot) { share.release(slot); });
        if (was_full) {
            adjust_engines();
        }
        confirm(share);
    }
}

void Keeper::on_table(const Peer& relay, Descriptors descriptors) {
    if (share_of(relay.hello.index) != nullptr || descriptors.size() != 1) {
        return;
    }
    auto share = RelayShare::bring(std::move(descriptors[0]), *relay.channel);
    if (!share) {
        log_error("{} ({})", share.error().sentence, share.error().reason);
        return;
    }
    places_ -= std::min(places_, share->places());
    shares_.emplace(relay.hello.index, std::move(*share));
}

void Keeper::on_all_held(Peer& relay) {
    relay.asked = false;
    RelayShare* share = share_of(relay.hello.index);
    if (share == nullptr || share->channel() != relay.channel.get()) {
        relay.empty = true;
        serve(relay);
        return;
    }
    share->complete();
    log_info("relay {} has outlived a keeper: its {} connections are in safe keeping again", relay.hello.index,
             share->used());
    adjust_engines();
}

void Keeper::adjust_engines() {
    for (Peer& peer : peers_) {
        if (peer.known && peer.hello.kind == ProcessKind::engine) {
            const RelayShare* share = share_of(peer.hello.index);
            peer.channel->set_reading(share != nullptr && !share->full());
        }
    }
}

void Keeper::on_drained(Channel& channel) {
    for (auto& [index, share] : shares_) {
        if (share.channel() == &channel) {
            share.go_on();
            confirm(share);
        }
    }
}

void Keeper::leave(RelayShare& share, const Peer& relay) {
    share.disconnect();
    if (share.incomplete()) {
        share.complete();
    }
    for (Peer& other : peers_) {
        if (other.empty && other.hello.index == relay.hello.index && &other != &relay) {
            serve(other);
        }
    }
    adjust_engines();
}

void Keeper::on_closed(Channel& channel, std::string_view why) {
    const auto peer = std::ranges::find_if(peers_, [&](const Peer& one) { return one.channel.get() == &channel; });
    if (peer->known) {
        log_debug("{} {} left: {}", name_of(peer->hello.kind), peer->hello.index, why);
        RelayShare* share = peer->hello.kind == ProcessKind::relay ? share_of(peer->hello.index) : nullptr;
        if (share != nullptr && share->channel() == &channel) {
            leave(*share, *peer);
        }
    }
    loop_.bury(std::move(peer->channel));
    peers_.erase(peer);
}

}  // namespace keysluice
