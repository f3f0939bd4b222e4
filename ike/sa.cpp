#include "ike/sa.hpp"

#include <algorithm>
#include <cassert>
#include <initializer_list>
#include <utility>

#include "ike/liveness.hpp"
#include "ike/mobility.hpp"
#include "ike/turns.hpp"

namespace keysluice::ike {

ChildSa* Sa::find_child(EspSpi inbound) {
    return const_cast<ChildSa*>(std::as_const(*this).find_child(inbound));
}

const ChildSa* Sa::find_child(EspSpi inbound) const {
    const auto found =
        std::ranges::find_if(children, [&](const ChildSa& each) { return each.spec.inbound == inbound; });
    return found == children.end() ? nullptr : &*found;
}

ChildSa* Sa::find_child_by_outbound(EspSpi outbound) {
    const auto found =
        std::ranges::find_if(children, [&](const ChildSa& each) { return each.spec.outbound == outbound; });
    return found == children.end() ? nullptr : &*found;
}

Instant due_time(const Task& task) {
    if (const auto* child = std::get_if<ChildOffer>(&task)) {
        return std::max(child->not_before, child->pair_until);
    }
    const auto* ike = std::get_if<IkeOffer>(&task);
    return ike != nullptr ? ike->pair_until : Instant{};
}

void become(Context& context, Sa& sa, State to) {
    assert(allowed(sa.state, to));
    const State from = std::exchange(sa.state, to);
    context.actions.emplace_back(StateChanged{.sa = sa.own_spi(), .from = from, .to = to});
}

namespace {

/// A rule of some state: what must hold, and what it is called when it does not.
struct Rule {
    bool holds;
    const char* fault;
};

const char* first_broken(std::initializer_list<Rule> rules) {
    for (const Rule& rule : rules) {
        if (!rule.holds) {
            return rule.fault;
        }
    }
    return nullptr;
}

}  // namespace

const char* inconsistency(const Sa& sa) {
    for (const ChildSa& child : sa.children) {
        if (child.state == ChildState::installing && (!child.inbound_keys || !child.outbound_keys)) {
            return "the kernel could not be asked again for a CHILD SA";
        }
        if (child.state == ChildState::installed && child.rekey_at == Instant::max() &&
            sa.connection->child(child.spec.child) != nullptr) {
            return "a CHILD SA is never rekeyed";
        }
        if (waits_for_turn(child) && child.sends_at == Instant::max() && !sa.reauth.old) {
            return "a CHILD SA waits for a turn that never comes";
        }
    }
    const bool timed = next_deadline(sa, Settings{}) != Instant::max();
    const bool asked = sa.window.outstanding.has_value();
    const bool busy = sa.current || !sa.waiting.empty();
    const Rule negotiating{sa.negotiation != nullptr, "no negotiation"};
    const Rule outstanding{asked, "nothing is outstanding"};
    switch (sa.state) {
        case State::init_sent: {
            const bool exchanging = sa.negotiation && sa.negotiation->exchanging;
            return first_broken({{sa.initiator, "a responder that initiates"},
                                 negotiating,
                                 {asked || exchanging, "nothing is outstanding"}});
        }
        case State::auth_sent:
            return first_broken({{sa.initiator, "a responder that initiates"}, negotiating, outstanding});
        case State::signing:
        case State::verifying: {
            const bool waits = sa.negotiation && sa.negotiation->until != Instant::max();
            const bool has_message = sa.negotiation && sa.negotiation->auth;
            const bool begins = sa.initiator && sa.state == State::signing;
            return first_broken({negotiating,
                                 {!asked, "a request is outstanding while it waits for a signature"},
                                 {waits, "waits for a signature without a limit"},
                                 {has_message != begins, "the peer's IKE_AUTH is not where it belongs"}});
        }
        case State::eap: {
            const bool runs = sa.negotiation && sa.negotiation->eap && sa.negotiation->auth;
            const bool computes = runs && sa.negotiation->eap->handshake;
            return first_broken({negotiating,
                                 {runs, "no EAP, or not the peer's first IKE_AUTH"},
                                 {asked == (sa.initiator && !computes), "not just one of the two asks"},
                                 {timed, "without a limit"}});
        }
        case State::half_open: {
            const bool exchanging = sa.negotiation && sa.negotiation->exchanging;
            return first_broken({{!sa.initiator, "an initiator that responds"},
                                 negotiating,
                                 {timed, "without a limit"},
                                 {exchanging == sa.keys.d.empty(), "no keys, or a key exchange after them"}});
        }
        case State::established:
            return first_broken({{!sa.negotiation && !sa.keys.proof, "secrets of the negotiation are still there"},
                                 {!sa.keys.d.empty(), "no keys"},
                                 {sa.rekey_at != Instant::max() || busy, "it is never rekeyed"},
                                 {asked == sa.current.has_value(), "an exchange without a task"}});
        case State::replaced:
            return first_broken({{sa.children.empty(), "children that were to be inherited"},
                                 {timed || busy, "nothing would ever end it"}});
        case State::closing:
            return first_broken({outstanding});
        case State::dead:
            return first_broken({{sa.children.empty(), "children of a dead SA"},
                                 {!asked, "a dead SA asks"},
                                 {!sa.delayed, "a dead SA computes"}});
    }
    return "no such state";
}

Instant next_deadline(const Sa& sa, const Settings& settings) {
    // One that is being closed has an end by its request.
    const bool closes = sa.state == State::dead || sa.state == State::replaced;
    Instant next = closes ? sa.close_at : Instant::max();
    const auto at = [&](Instant when) { next = std::min(next, when); };
    if (sa.window.outstanding) {
        at(sa.window.outstanding->again_at);
    }
    if (sa.negotiation) {
        at(sa.negotiation->until);
        const bool computes = sa.negotiation->eap && sa.negotiation->eap->handshake;
        const bool waits =
            sa.state == State::signing || sa.state == State::verifying || computes || sa.negotiation->exchanging;
        if (waits && !sa.negotiation->asked) {
            at(Instant{});  // a restored one: its process has yet to ask
        }
    }
    if (sa.delayed) {
        at(sa.delayed->until);
    }
    if (!sa.window.outstanding) {
        for (const Task& task : sa.waiting) {
            at(due_time(task));
        }
    }
    if (sa.state == State::established) {
        at(sa.rekey_at);
        at(sa.reauth.begin_at);
        at(sa.reauth.over_at);
        at(next_look(sa));
        if (sa.nat_here) {
            at(sa.sent_at + settings.keepalive);
        }
    }
    for (const ChildSa& child : sa.children) {
        at(child.remove_at);
        if (sa.state == State::established && child.state == ChildState::installed) {
            at(child.rekey_at);
        }
        if (sa.state == State::established && waits_for_turn(child)) {
            at(child.sends_at);
        }
    }
    return next;
}

}  // namespace keysluice::ike
