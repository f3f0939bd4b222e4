#include "daemon/keeper/keeper.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/shared/log.hpp"
#include "daemon/shared/sockets.hpp"

namespace keysluice {

Result<std::unique_ptr<Keeper>> Keeper::create(Loop& loop, const std::string& runtime_directory, std::size_t places,
                                               OnDraining on_draining, UniqueFd door) {
    auto socket = door ? Result<UniqueFd>(std::move(door))
                       : ChannelListener::bind(runtime_path(runtime_directory, "keeper.sock"));
    if (!socket) {
        return pass_on(std::move(socket));
    }
    return std::unique_ptr<Keeper>(new Keeper(loop, std::move(*socket), places, std::move(on_draining)));
}

Keeper::Keeper(Loop& loop, UniqueFd socket, std::size_t places, OnDraining on_draining)
    : loop_(loop),
      places_(places),
      on_draining_(std::move(on_draining)),
      door_(loop, std::move(socket), [this](UniqueFd accepted) {
          Peer& peer = peers_.emplace_back();
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
            if (RelayShare* share = share_of(hello.index)) {
                share->connect(*peer.channel);
            }
            break;
    }
}

void Keeper::tell_listeners(Channel& channel) {
    for (const auto& [name, socket] : listeners_) {
        Descriptors copy;
        copy.push_back(duplicate_fd(socket));
        static_cast<void>(channel.send(Listener{name}, std::move(copy)));
    }
    static_cast<void>(channel.send(ListenersComplete{}));
}

void Keeper::on_control(Peer& /*peer*/, const Message& message, Descriptors descriptors) {
    if (const auto* listener = std::get_if<Listener>(&message); listener != nullptr && descriptors.size() == 1) {
        listeners_[listener->name] = std::move(descriptors[0]);
    } else if (const auto* forgotten = std::get_if<ForgetListener>(&message)) {
        listeners_.erase(forgotten->name);
    } else if (const auto* engines = std::get_if<Engines>(&message)) {
        on_engines(engines->count);
    }
}

void Keeper::on_engines(std::size_t count) {
    const std::size_t before = shares_.size();
    while (shares_.size() < count) {
        const std::size_t slots = std::clamp<std::size_t>(places_ / (count - shares_.size()), 1, kMostSlots);
        auto share = RelayShare::create(slots);
        if (!share) {
            log_error("{} ({})", share.error().sentence, share.error().reason);
            return;
        }
        shares_.push_back(std::move(*share));
        places_ -= std::min(places_, slots);
        log_info("relay {} has room for {} kernel-carried connections", shares_.size() - 1, slots);
    }
    for (Peer& peer : peers_) {
        if (peer.known && peer.hello.kind == ProcessKind::relay && peer.hello.index >= before) {
            if (RelayShare* share = share_of(peer.hello.index)) {
                share->connect(*peer.channel);
            }
        }
    }
    adjust_engines();
}

std::string Keeper::status() const {
    std::size_t used = 0;
    for (const RelayShare& share : shares_) {
        used += share.used();
    }
    return fmt::format("{} connections of {} relays and {} listening sockets are in safe keeping", used,
                       shares_.size(), listeners_.size());
}

void Keeper::on_engine(Peer& peer, const Message& message, Descriptors descriptors) {
    if (const auto* handover = std::get_if<Handover>(&message); handover != nullptr && !descriptors.empty()) {
        RelayShare* share = share_of(peer.hello.index);
        if (share == nullptr || share->full()) {
            // adjust_engines() stops reading before this happens; what slips through is refused visibly.
            std::ranges::for_each(descriptors, [](const UniqueFd& socket) { reset_on_close(socket.get()); });
            return;
        }
        share->take(*handover, std::move(descriptors));
        if (share->full()) {
            log_warning("relay {} has no place left for connections; new ones wait", peer.hello.index);
            adjust_engines();
        }
    } else if (std::holds_alternative<Draining>(message)) {
        on_draining_(peer.hello.index);
    }
}

void Keeper::on_relay(Peer& peer, const Message& message, Descriptors descriptors) {
    RelayShare* found = share_of(peer.hello.index);
    if (found == nullptr) {
        return;
    }
    RelayShare& share = *found;
    if (const auto* attach = std::get_if<Attach>(&message); attach != nullptr && descriptors.size() == 1) {
        share.attach(attach->slot, std::move(descriptors[0]));
    } else if (const auto* pipe = std::get_if<Pipe>(&message)) {
        share.keep_pipe(pipe->pipe, std::move(descriptors));
    } else if (const auto* release = std::get_if<Release>(&message)) {
        const bool was_full = share.full();
        std::ranges::for_each(release->slots, [&share](Slot slot) { share.release(slot); });
        if (was_full) {
            adjust_engines();
        }
    }
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
    for (RelayShare& share : shares_) {
        if (share.channel() == &channel) {
            share.go_on();
        }
    }
}

void Keeper::on_closed(Channel& channel, std::string_view why) {
    const auto peer = std::ranges::find_if(peers_, [&](const Peer& one) { return one.channel.get() == &channel; });
    if (peer->known) {
        log_debug("{} {} left: {}", name_of(peer->hello.kind), peer->hello.index, why);
        RelayShare* share = peer->hello.kind == ProcessKind::relay ? share_of(peer->hello.index) : nullptr;
        if (share != nullptr && share->channel() == &channel) {
            share->disconnect();
        }
    }
    loop_.bury(std::move(peer->channel));
    peers_.erase(peer);
}

}  // namespace keysluice
