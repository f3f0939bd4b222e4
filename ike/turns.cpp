#include "ike/turns.hpp"

#include <algorithm>
#include <utility>

#include "ike/child_answer.hpp"
#include "ike/child_install.hpp"
#include "ike/create_child.hpp"
#include "ike/twins.hpp"

namespace keysluice::ike {
namespace {

/// How long a peer may take to install what it has asked for, from the moment on in which we begin to do so.
constexpr Duration kTurnPatience = std::chrono::seconds(2);

}  // namespace

bool waits_for_turn(const ChildSa& child) {
    return child.state == ChildState::inbound_only && !child.replaces && !is_prepared(child);
}

bool is_next(const ChildSa& child, const ChildSa& old) {
    return waits_for_turn(child) && covers(child, old);
}

ChildSa* next_of(Sa& in, const ChildSa& old) {
    const auto found = std::ranges::find_if(in.children, [&](const ChildSa& each) { return is_next(each, old); });
    return found == in.children.end() ? nullptr : &*found;
}

void wait_for_turn(const Context& context, ChildSa& child) {
    child.complete = false;
    child.sends_at = context.now + kTurnPatience;
}

void take_turn(Context& context, Sa& sa, ChildSa& child) {
    child.state = ChildState::installed;
    ask_kernel(context, sa, child);
}

void take_turns(Context& context, Sa& sa) {
    for (ChildSa& child : sa.children) {
        if (waits_for_turn(child)) {
            take_turn(context, sa, child);
        }
    }
}

void take_due_turns(Context& context, Sa& sa) {
    for (ChildSa& child : sa.children) {
        if (waits_for_turn(child) && context.now >= child.sends_at) {
            take_turn(context, sa, child);
        }
    }
}

void follow_turn(Context& context, Sa& sa, const ChildSa& next, ChildSa old) {
    const EspSpi inbound = old.spec.inbound;
    sa.find_child(next.spec.inbound)->replaces = inbound;
    sa.children.insert(sa.children.begin(), std::move(old));  // the newest is last
    retire_child(context, sa, inbound);
}

// ---- prepared

bool is_prepared(const ChildSa& child) {
    return child.spec.outbound.value == 0;
}

void prepare_child(Context& context, Sa& sa) {
    const Sa* old = sa.reauth.old ? context.registry.find(*sa.reauth.old) : nullptr;
    const auto& offered = sa.negotiation->child;
    if (old == nullptr || !offered) {
        return;
    }
    const ChildOffer& offer = *offered;
    const auto before = std::ranges::find_if(old->children, [&](const ChildSa& each) {
        return each.state == ChildState::installed && each.spec.child == offer.child;
    });
    if (before == old->children.end()) {
        return;
    }
    ChildSa child;
    child.spec = spec_of(sa, offer.child, offer.reqid);
    child.spec.mode = before->spec.mode;
    child.spec.inbound = offer.inbound;
    child.spec.suite = before->spec.suite;
    child.spec.suite.group = GroupId::none;  // IKE_AUTH has no exchange for it
    child.spec.local_selectors = before->spec.local_selectors;
    child.spec.remote_selectors = before->spec.remote_selectors;
    child.ours = true;
    apply_rule(context, sa, child);
    const Nonces nonces{sa.negotiation->own_nonce, sa.negotiation->peer_nonce};
    auto keys = derive_child_keys(context.tools, sa.suite.prf, sa.keys.d, child.spec.suite, nonces, nullptr);
    if (!keys) {
        return;
    }
    child.inbound_keys = std::move(keys->responder);
    child.outbound_keys = std::move(keys->initiator);
    sa.children.push_back(std::move(child));
    ask_kernel(context, sa, sa.children.back());
}

void on_prepared(Sa& sa, EspSpi inbound, bool installed) {
    if (installed) {
        ChildSa& child = *sa.find_child(inbound);
        child.state = ChildState::inbound_only;
        child.inbound_keys.reset();
    } else {
        std::erase_if(sa.children, [&](const ChildSa& child) { return child.spec.inbound == inbound; });
    }
}

bool take_prepared(Context& context, Sa& sa, const ChildSa& child) {
    ChildSa* const prepared = sa.find_child(child.spec.inbound);
    if (prepared == nullptr) {
        return false;
    }
    const ChildSaSpec& spec = prepared->spec;
    const bool same = spec.mode == child.spec.mode && spec.suite == child.spec.suite &&
                      spec.local == child.spec.local && spec.remote == child.spec.remote &&
                      spec.udp_ports == child.spec.udp_ports && spec.local_selectors == child.spec.local_selectors &&
                      spec.remote_selectors == child.spec.remote_selectors;
    if (!same) {
        drop_prepared(context, sa);
        return false;
    }
    prepared->spec.outbound = child.spec.outbound;
    if (prepared->state == ChildState::inbound_only) {
        report(context, sa, Report::Kind::child_established, {}, spec.child);
    }
    return true;
}

void drop_prepared(Context& context, Sa& sa) {
    std::erase_if(sa.children, [&](const ChildSa& child) {
        if (is_prepared(child)) {
            context.actions.emplace_back(RemoveChild{child.spec});
        }
        return is_prepared(child);
    });
}

}  // namespace keysluice::ike
