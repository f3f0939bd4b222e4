#include "daemon/control/kernel_events.hpp"

#include <utility>

#include "daemon/shared/log.hpp"

namespace keysluice::control {

KernelEvents::KernelEvents(Loop& loop, xfrm::Events events, Hear hear)
    : loop_(loop), events_(std::move(events)), hear_(std::move(hear)) {
    loop_.add(events_.fd(), EPOLLIN, *this);
}

KernelEvents::~KernelEvents() {
    loop_.remove(events_.fd(), *this);
}

void KernelEvents::on_events(std::uint32_t /*events*/) {
    for (int i = 0; i < kEventsPerTurn; ++i) {
        const auto next = events_.next();
        if (!next) {
            log_peer_failure("the kernel's IPsec events", next.error());
            continue;
        }
        const std::optional<xfrm::Event>& event = *next;
        if (!event) {
            return;
        }
        hear_(*event);
    }
}

}  // namespace keysluice::control
