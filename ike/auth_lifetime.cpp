#include "ike/auth_lifetime.hpp"

#include <algorithm>
#include <utility>

#include "base/bytes.hpp"

namespace keysluice::ike {
namespace {

using std::chrono::seconds;

/// How long who leads may try beyond the time, at least.
constexpr Duration kLeastGrace = std::chrono::minutes(1);

}  // namespace

void begin_lifetime(Context& context, Sa& sa) {
    const Duration time = sa.connection->reauth_time;
    if (time <= Duration::zero()) {
        return;
    }
    if (sa.mobility.leads) {
        sa.reauth.begin_at = early(context, time);
        sa.reauth.over_at = context.now + time + std::max(time / 10, kLeastGrace);
    } else {
        sa.reauth.over_at = context.now + time;
    }
}

void announce_lifetime(const Sa& sa, Payloads& answer) {
    const Duration time = sa.connection->reauth_time;
    if (time > Duration::zero()) {
        Writer data;
        data.be(static_cast<std::uint32_t>(std::chrono::duration_cast<seconds>(time).count()));
        answer.emplace_back(notify(wire::NotifyType::auth_lifetime, data.view()));
    }
}

void heed_lifetime(Context& context, Sa& sa, const Payloads& payloads) {
    const auto* told = find_notify(payloads, wire::NotifyType::auth_lifetime);
    if (told == nullptr || !sa.mobility.leads) {
        return;
    }
    Reader reader(told->data);
    const seconds lifetime{reader.be<std::uint32_t>()};
    if (!reader.finished()) {
        return;
    }
    sa.reauth.over_at = std::min(sa.reauth.over_at, context.now + lifetime);
    const Instant begin_at = early(context, Duration(lifetime) / 10 * 9);
    if (!sa.reauth.fresh && begin_at < sa.reauth.begin_at) {
        sa.reauth.begin_at = begin_at;
        sa.reauth.cause = ReauthCause::peers_lifetime;
    }
}

void hand_over_lifetime(Context& context, Sa& from, Sa& to) {
    to.reauth = std::exchange(from.reauth, {});
    if (Sa* old = to.reauth.old ? context.registry.find(*to.reauth.old) : nullptr) {
        old->reauth.fresh = to.own_spi();
    }
    if (Sa* fresh = to.reauth.fresh ? context.registry.find(*to.reauth.fresh) : nullptr) {
        fresh->reauth.old = to.own_spi();
    }
}

}  // namespace keysluice::ike
