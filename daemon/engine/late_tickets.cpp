#include "daemon/engine/late_tickets.hpp"

#include <algorithm>
#include <utility>

#include "daemon/shared/clock.hpp"

namespace keysluice {

void LateTickets::wait(TlsSessionId id, std::unique_ptr<tls::Session> session) {
    if (waiting_.size() == kMost) {
        waiting_.pop_front();
    }
    waiting_.push_back({.id = id, .session = std::move(session), .until = now() + kPatience});
    loop_.arm(*this, waiting_.front().until);
}

void LateTickets::on_ticket(const TicketReceived& ticket) {
    const auto found = std::ranges::find(waiting_, ticket.session, &Waiting::id);
    if (found != waiting_.end()) {
        static_cast<void>(found->session->late_ticket(ticket.message));
        waiting_.erase(found);
    }
}

void LateTickets::on_deadline() {
    const Instant time = now();
    while (!waiting_.empty() && waiting_.front().until <= time) {
        waiting_.pop_front();
    }
    if (!waiting_.empty()) {
        loop_.arm(*this, waiting_.front().until);
    }
}

}  // namespace keysluice
