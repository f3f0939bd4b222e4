#include "daemon/relay/session.hpp"
#include "daemon/shared/clock.hpp"
#include "daemon/shared/sockets.hpp"

// How long a session may last, and be silent.

namespace keysluice {

void Session::note_traffic(ssize_t moved) {
    if (moved > 0 && life_.counts_traffic()) {
        life_.note_traffic(now());
    }
}

void Session::LifeTimer::on_deadline() {
    owner.look_at_life();
}

void Session::look_at_life() {
    if (const auto over = life_.over(now())) {
        static_cast<void>(take_leave(*over));
    } else {
        host_.loop().arm(life_timer_, life_.next());
    }
}

Session::Step Session::take_leave(const Error& error) {
    // A proper end behind half of what was to come would make it look like the whole.
    const bool unread =
        (tls_.readable && !has(TableEntry::kTlsEnded)) || (plain_.readable && !has(TableEntry::kPlainEnded));
    if (unread || to_plain_.in_pipe > 0 || to_tls_.in_pipe > 0 || plain_.deaf || has(TableEntry::kPlainCutOff)) {
        return abort(error);
    }
    if (!tls_.shut) {
        if (const Step said = say_close_notify(); said == Step::over) {
            return said;
        }
    }
    if (!tls_.shut) {
        return abort(error);  // the peer takes nothing
    }
    close_in_order(plain_.fd.get());
    release_client();
    unwatch();
    return end(&error, std::move(tls_.fd));
}

}  // namespace keysluice
