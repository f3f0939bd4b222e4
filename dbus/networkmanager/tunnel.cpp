#include "dbus/networkmanager/tunnel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <utility>

namespace keysluice::networkmanager {

Failure failure_for(std::string_view reason) {
    static constexpr std::array<std::string_view, 10> kLogin{
        "auth-failed", "auth-method",   "auth-refused",  "eap-method",     "eap-refused",
        "eap-server",  "no-shared-key", "peer-identity", "signing-failed", "vpn-secret-missing"};
    static constexpr std::array<std::string_view, 2> kSelectors{"ts-not-offered", "ts-unacceptable"};
    const bool of_trust = reason.starts_with("certificate-") || reason.starts_with("crl-");
    if (of_trust || std::ranges::find(kLogin, reason) != kLogin.end()) {
        return Failure::login_failed;
    }
    return std::ranges::find(kSelectors, reason) != kSelectors.end() ? Failure::bad_ip_config
                                                                     : Failure::connect_failed;
}

Actions Tunnel::on(const Event& event) {
    std::visit([this](const auto& each) { handle(each); }, event);
    return std::exchange(actions_, {});
}

void Tunnel::show(State state) {
    if (std::exchange(shown_, state) != state) {
        act(ShowState{state});
    }
}

void Tunnel::handle(const ConnectWanted& wanted) {
    if (phase_ != Phase::idle) {
        return;
    }
    patience_ = wanted.patience;
    gateways_ = wanted.gateways;
    phase_ = Phase::adding;
    show(State::starting);
    act(Arm{patience_});
    act(Add{});
}

void Tunnel::handle(const Added& added) {
    if (phase_ != Phase::adding) {
        return;
    }
    if (added.outcome) {
        negotiate();
    } else {
        give_up(added.outcome.error());
    }
}

void Tunnel::negotiate() {
    phase_ = Phase::beginning;
    refusals_ = 0;
    act(Begin{});
}

void Tunnel::handle(const Begun& begun) {
    if (phase_ != Phase::beginning) {
        return;
    }
    if (begun.outcome) {
        phase_ = Phase::negotiating;
        act(Look{});
    } else {
        give_up(begun.outcome.error());
    }
}

void Tunnel::handle(const Changed& /*changed*/) {
    if (phase_ == Phase::negotiating || phase_ == Phase::up) {
        act(Look{});
    }
}

void Tunnel::handle(const Seen& seen) {
    if (phase_ == Phase::negotiating && seen.tunnel) {
        phase_ = Phase::up;
        settled_ = false;
        act(Arm{kSettling});
        if (shown_ != State::started) {
            configured_ = *seen.tunnel;
            act(ShowConfig{configured_});
            show(State::started);
        } else if (seen.tunnel->addresses != configured_.addresses) {
            give_up({"vpn-other-address", "the peer gives us other addresses than before"});
        }
    } else if (phase_ == Phase::up && seen.tunnel && seen.tunnel->addresses != configured_.addresses) {
        // Another IKE SA has taken the place of the one before, with nothing in between.
        give_up({"vpn-other-address", "the peer gives us other addresses than before"});
    } else if (phase_ == Phase::up && !seen.tunnel) {
        const Error why{"vpn-interrupted", "the tunnel was closed, by the peer or by command"};
        if (!settled_) {
            give_up(why);
            return;
        }
        act(Note{why.reason, why.sentence});
        act(Arm{patience_});
        negotiate();
    }
}

void Tunnel::handle(const Failed& failed) {
    if (phase_ != Phase::beginning && phase_ != Phase::negotiating) {
        handle(Changed{});
    } else if (++refusals_ < gateways_) {
        act(Note{failed.why.reason, failed.why.sentence + "; the next gateway is tried"});
    } else {
        give_up(failed.why);
    }
}

void Tunnel::handle(const KeysluicedGone& /*gone*/) {
    switch (phase_) {
        case Phase::idle:
        case Phase::away:
        case Phase::over:
            return;
        case Phase::removing:
            finish();
            return;
        case Phase::adding:
        case Phase::beginning:
        case Phase::negotiating:
        case Phase::up:
            if (phase_ == Phase::up) {
                act(Arm{kAbsence});
            }
            phase_ = Phase::away;
            act(Note{"service-not-running", "keysluiced has gone; what it has in the kernel carries on meanwhile"});
            return;
    }
}

void Tunnel::handle(const KeysluicedBack& /*back*/) {
    if (phase_ == Phase::away) {
        phase_ = Phase::adding;
        if (shown_ == State::started) {
            act(Arm{patience_});
        }
        act(Add{});
    }
}

void Tunnel::handle(const TimeUp& /*up*/) {
    switch (phase_) {
        case Phase::idle:
            phase_ = Phase::over;
            act(End{});
            return;
        case Phase::adding:
        case Phase::beginning:
        case Phase::negotiating:
            give_up(
                {"vpn-timeout", "the tunnel does not stand in time: the peer does not answer, or not to the end"});
            return;
        case Phase::away:
            give_up({"service-not-running",
                     "keysluiced does not come back; start it with systemctl start "
                     "keysluice.target"});
            return;
        case Phase::removing:
            finish();
            return;
        case Phase::up:
            settled_ = true;
            return;
        case Phase::over:
            return;
    }
}

void Tunnel::handle(const DisconnectWanted& /*wanted*/) {
    switch (phase_) {
        case Phase::idle:
            phase_ = Phase::over;
            act(End{});
            return;
        case Phase::away:
            show(State::stopping);
            finish();
            return;
        case Phase::adding:
        case Phase::beginning:
        case Phase::negotiating:
        case Phase::up:
            show(State::stopping);
            remove();
            return;
        case Phase::removing:
        case Phase::over:
            return;
    }
}

void Tunnel::give_up(const Error& why) {
    failure_ = failure_for(why.reason);
    act(Note{why.reason, why.sentence});
    if (phase_ == Phase::away) {
        finish();
    } else {
        remove();
    }
}

/// Before NetworkManager hears of the end: it may begin again at once, with another process and the same connection.
void Tunnel::remove() {
    phase_ = Phase::removing;
    act(Arm{kRemoval});
    act(Remove{});
}

void Tunnel::handle(const Removed& removed) {
    if (phase_ != Phase::removing) {
        return;
    }
    if (!removed.outcome && removed.outcome.error().reason != "not-added") {
        act(Note{removed.outcome.error().reason,
                 removed.outcome.error().sentence + "; keysluiced removes the connection as soon as it can"});
    }
    finish();
}

void Tunnel::finish() {
    phase_ = Phase::over;
    if (failure_) {
        act(ShowFailure{*failure_});
    }
    show(State::stopped);
    act(End{});
}

}  // namespace keysluice::networkmanager
