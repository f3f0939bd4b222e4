#include "ike/liveness.hpp"

#include <algorithm>
#include <utility>

#include "ike/exchange.hpp"
#include "ike/mobility.hpp"

namespace keysluice::ike {
namespace {

/// From one look to the next; nothing: nobody wants to know.
std::optional<Duration> pace_of(const Connection& rules) {
    std::optional<Duration> pace;
    if (rules.liveness > Duration::zero()) {
        pace = rules.liveness / 2;
    }
    if (rules.gateways.several() && rules.gateways.back == Gateways::Return::when_idle) {
        pace = std::min(pace.value_or(Duration::max()), rules.gateways.idle / 2);
    }
    return pace;
}

/// What has passed since the last look.
struct Passed {
    bool in = false;
    bool out = false;
};

Passed take_note(const Context& context, Sa& sa, const Traffic& traffic) {
    Watch& watch = sa.watch;
    const auto before = std::exchange(watch.counted, traffic);
    // A CHILD SA that has gone took its count with it.
    const Passed passed{.in = before && traffic.in > before->in, .out = before && traffic.out > before->out};
    if (passed.in || passed.out || !before) {
        watch.quiet_since = context.now;
    }
    if (passed.in) {
        sa.heard_at = context.now;
    }
    if (watch.unanswered_since && sa.heard_at >= *watch.unanswered_since) {
        watch.unanswered_since.reset();
    }
    if (passed.out && !passed.in && !watch.unanswered_since) {
        watch.unanswered_since = context.now;
    }
    return passed;
}

bool is_to_be_asked(const Context& context, Sa& sa, const std::optional<Traffic>& traffic) {
    const Connection& rules = *sa.connection;
    const bool unseen = is_unseen(sa) && context.now >= sa.established_at + rules.liveness;  // however much is heard
    if (!traffic) {
        return unseen || context.now >= sa.heard_at + rules.liveness;
    }
    const Passed passed = take_note(context, sa, *traffic);
    const auto& unanswered = sa.watch.unanswered_since;
    return unseen || (unanswered && context.now >= *unanswered + rules.liveness / 2) ||
           (!passed.in && context.now >= sa.heard_at + rules.liveness_idle);
}

}  // namespace

Instant next_look(const Sa& sa) {
    const bool looks = !sa.window.outstanding && pace_of(*sa.connection).has_value();
    return looks ? std::max(sa.watch.look_at, sa.established_at) : Instant::max();
}

void look_at_traffic(Context& context, Sa& sa) {
    sa.watch.look_at = context.now + pace_of(*sa.connection).value_or(Duration::zero());
    sa.watch.asked = !sa.watch.asked;  // a slow kernel is asked every other time
    if (sa.watch.asked) {
        context.actions.emplace_back(CountTraffic{sa.own_spi()});
    }
}

void on_traffic(Context& context, Sa& sa, const TrafficCounted& event) {
    sa.watch.asked = false;
    const bool asks = sa.state == State::established && is_to_be_asked(context, sa, event.traffic);
    if (!event.traffic && !asks && sa.connection->liveness > Duration::zero()) {
        // A kernel that can't tell is asked again when it is time to ask the peer, and not later.
        sa.watch.look_at = std::max(context.now, sa.heard_at + sa.connection->liveness);
    }
    const bool waits =
        std::ranges::any_of(sa.waiting, [](const Task& task) { return std::holds_alternative<Liveness>(task); });
    if (asks && !waits && !sa.window.outstanding && sa.connection->liveness > Duration::zero()) {
        sa.waiting.emplace_back(Liveness{});
        start_next(context, sa);
    }
}

}  // namespace keysluice::ike
