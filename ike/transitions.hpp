#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace keysluice::ike {

/// The life of an IKE SA.
enum class State : std::uint8_t {
    init_sent,    ///< initiator: our IKE_SA_INIT waits for its response
    half_open,    ///< responder: IKE_SA_INIT is answered, IKE_AUTH is awaited
    auth_sent,    ///< initiator: our IKE_AUTH waits for its response
    signing,      ///< our signature is being made: IKE_AUTH, or the response to it, waits for it
    verifying,    ///< the peer's certificate and signature are being checked
    eap,          ///< one end has proved who it is, and the other does by EAP, in further rounds of IKE_AUTH
    established,  ///< both ends are authenticated
    replaced,     ///< rekeyed: a newer IKE SA has the children, this one waits to be deleted
    closing,      ///< our delete waits for its response
    dead,         ///< over; nothing of it is left but the answer to a retransmission
};

inline constexpr std::array<std::string_view, 10> kStateNames = {
    "init-sent", "half-open",   "auth-sent", "signing", "verifying",
    "eap",       "established", "replaced",  "closing", "dead",
};

[[nodiscard]] constexpr std::string_view name_of(State state) {
    return kStateNames.at(static_cast<std::size_t>(state));
}

struct Transition {
    State from;
    State to;
    std::string_view why;
};

/// Every change of state that there is. `become()` refuses all others.
inline constexpr std::array kTransitions = {
    Transition{State::init_sent, State::auth_sent, "IKE_SA_INIT was answered with a proposal of ours"},
    Transition{State::init_sent, State::signing, "the same, and our IKE_AUTH needs a signature"},
    Transition{State::init_sent, State::dead, "refused, or never answered, or no longer wanted"},
    Transition{State::half_open, State::established, "the peer's IKE_AUTH proved its identity"},
    Transition{State::half_open, State::verifying, "the peer's IKE_AUTH carries a signature"},
    Transition{State::half_open, State::signing, "it carried another proof, and our answer needs a signature"},
    Transition{State::half_open, State::eap, "it carried none: the peer wants EAP, and our own proof is there"},
    Transition{State::half_open, State::dead, "not authenticated in time, or not at all"},
    Transition{State::auth_sent, State::established, "the peer's IKE_AUTH response proved its identity"},
    Transition{State::auth_sent, State::verifying, "the peer's IKE_AUTH response carries a signature"},
    Transition{State::auth_sent, State::eap, "the same, and EAP is to prove ours"},
    Transition{State::auth_sent, State::closing, "the peer trusts us, and we don't trust it"},
    Transition{State::auth_sent, State::dead, "refused, or never answered"},
    Transition{State::signing, State::auth_sent, "initiator: our signature is made"},
    Transition{State::signing, State::eap, "responder: our signature is made, and the peer wants EAP"},
    Transition{State::signing, State::established, "responder: our signature is made"},
    Transition{State::signing, State::dead, "nobody made it, or it is no longer wanted"},
    Transition{State::verifying, State::eap, "initiator: the peer proved its identity, and EAP is to prove ours"},
    Transition{State::verifying, State::established, "the peer proved its identity"},
    Transition{State::verifying, State::signing, "responder: the peer did, and our answer needs a signature"},
    Transition{State::verifying, State::closing, "initiator: the peer trusts us, and we don't trust it"},
    Transition{State::verifying, State::dead, "the peer did not prove it, or it is no longer wanted"},
    Transition{State::eap, State::established, "both ends know the key that EAP made"},
    Transition{State::eap, State::closing, "initiator: the peer does not know what it should"},
    Transition{State::eap, State::dead, "refused, or not come to an end in time, or no longer wanted"},
    Transition{State::established, State::replaced, "rekeyed, or another one carries the same"},
    Transition{State::established, State::closing, "we close it"},
    Transition{State::established, State::dead, "the peer closed it, or is gone"},
    Transition{State::replaced, State::closing, "we made its successor, so we delete it"},
    Transition{State::replaced, State::dead, "the peer deleted it, or did not in time"},
    Transition{State::closing, State::dead, "deleted, or the peer is gone"},
};

[[nodiscard]] constexpr bool allowed(State from, State to) {
    for (const Transition& transition : kTransitions) {
        if (transition.from == from && transition.to == to) {
            return true;
        }
    }
    return false;
}

}  // namespace keysluice::ike
