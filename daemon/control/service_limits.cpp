#include <algorithm>

#include "daemon/control/control.hpp"
#include "daemon/shared/limit_memory.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/system_random.hpp"

// The part of Control that has engines and relays count together what their services are limited by.

namespace keysluice::control {
namespace {

bool is_limited(const TlsService& service) {
    const Limits& limits = service.limits;
    return limits.connections != 0 || limits.connections_per_address != 0 || limits.handshakes_per_second != 0 ||
           limits.handshakes_per_second_per_address != 0;
}

}  // namespace

void Control::renew_limits() {
    limits_.reset();
    if (std::ranges::none_of(configuration_.services, is_limited)) {
        return;
    }
    SystemRandom random;
    const auto memory = LimitMemory::create(random);
    if (!memory) {
        log_error("connections are not counted, and limits don't hold: {} ({})", memory.error().sentence,
                  memory.error().reason);
        return;
    }
    limits_ = duplicate_fd(memory->file());
    for (Peer& peer : peers_) {
        if (peer.known) {
            tell_limits(peer);
        }
    }
}

void Control::tell_limits(Peer& peer) {
    if (limits_) {
        Descriptors memory;
        memory.push_back(duplicate_fd(limits_));
        static_cast<void>(peer.channel->send(CountLimits{}, std::move(memory)));
    }
}

}  // namespace keysluice::control
