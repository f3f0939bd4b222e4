#include "ike/create_child.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ike/child_answer.hpp"
#include "ike/child_install.hpp"
#include "ike/delay.hpp"
#include "ike/rekey_ike.hpp"
#include "ike/turns.hpp"
#include "ike/twins.hpp"

namespace keysluice::ike {
namespace {

constexpr unsigned kMostAttempts = 4;

/// The peer wants another group: the same offer again, with its bookkeeping of collisions.
bool retry_with_group(Sa& sa, ChildOffer& offer, const wire::NotifyPayload& refused) {
    const GroupId group = suggested_group(refused);
    // RFC 7296 section 2.7: a group that was not offered is not to be fallen back to.
    if (group == GroupId::none || !offers_group(offer.offered, group) || ++offer.attempts > kMostAttempts) {
        return false;
    }
    offer.group = group;
    offer.key_pair.reset();
    sa.waiting.emplace_front(std::move(offer));
    return true;
}

/// RFC 7296 section 2.25: "A peer that receives a CHILD_SA_NOT_FOUND notification SHOULD silently delete the Child SA
/// (if it still exists) and send a request to create a new Child SA from scratch (if the Child SA does not yet
/// exist)."
void make_from_scratch(Context& context, Sa& sa, EspSpi rekeyed, const std::string& name) {
    if (const ChildSa* old = sa.find_child(rekeyed)) {
        context.actions.emplace_back(RemoveChild{old->spec});
        std::erase_if(sa.children, [&](const ChildSa& child) { return child.spec.inbound == rekeyed; });
    }
    const ChildRule* rule = sa.connection->child(name);
    if (rule != nullptr && !has_child(sa, name)) {
        sa.waiting.emplace_back(new_offer(context, sa, *rule, nullptr, true));
    }
}

void on_refusal(Context& context, Sa& sa, ChildOffer& offer, const wire::NotifyPayload& error) {
    if (error.type == wire::NotifyType::invalid_ke_payload && retry_with_group(sa, offer, error)) {
        return;
    }
    ChildSa* old = offer.rekeys ? sa.find_child(*offer.rekeys) : nullptr;
    if (old != nullptr && !offer.rival) {
        old->rekey_at = retry_time(context);
    }
    if (offer.rekeys && !offer.rival && error.type == wire::NotifyType::child_sa_not_found) {
        make_from_scratch(context, sa, *offer.rekeys, offer.child);
        return;
    }
    if (offer.rival || error.type == wire::NotifyType::temporary_failure) {
        if (!offer.rekeys) {
            offer.nonce = new_nonce(context.random);
            offer.key_pair.reset();
            offer.not_before = retry_time(context);
            sa.waiting.emplace_back(std::move(offer));
        }
        return;
    }
    report(context, sa, Report::Kind::failed,
           {error.type == wire::NotifyType::ts_unacceptable ? "ts-unacceptable" : "child-refused",
            fmt::format("{} answered child {} with {}; we offered {} and {} to {}", peer_text(sa), offer.child,
                        wire::name_of(error.type), print(offer.offered), wire::print(offer.local),
                        wire::print(offer.remote))},
           offer.child);
}

/// What the peer accepted of our offer.
Result<ChildSa> accepted_child(const Sa& sa, const ChildOffer& offer, const Payloads& payloads) {
    const auto* answered = find<wire::SaPayload>(payloads);
    const auto* ts_i = find<wire::TsInitiatorPayload>(payloads);
    const auto* ts_r = find<wire::TsResponderPayload>(payloads);
    if (answered == nullptr || ts_i == nullptr || ts_r == nullptr) {
        return fail("ike-malformed",
                    fmt::format("{} answered child {} without SA or traffic selectors", peer_text(sa), offer.child));
    }
    auto choice = accept_esp_answer(*answered, offer.offered);
    if (!choice) {
        return pass_on(std::move(choice));
    }
    const Mode mode =
        find_notify(payloads, wire::NotifyType::use_transport_mode) != nullptr ? Mode::transport : Mode::tunnel;
    SeenTraffic traffic = seen_from_here(sa, mode, ts_i->selectors, ts_r->selectors);
    if (!covers(offer.local, traffic.local) || !covers(offer.remote, traffic.remote)) {
        return fail("ts-not-offered",
                    fmt::format("{} answered child {} with {} to {}, beyond our offer of {} to {}", peer_text(sa),
                                offer.child, wire::print(traffic.local), wire::print(traffic.remote),
                                wire::print(offer.local), wire::print(offer.remote)));
    }
    ChildSa child;
    child.spec = spec_of(sa, offer.child, offer.reqid);
    child.spec.mode = mode;
    const ChildRule* rule = sa.connection->child(offer.child);
    if (rule != nullptr && rule->mode != child.spec.mode) {
        return fail("mode-refused",
                    fmt::format("{} answered child {}, which is configured for {} mode, with the other",
                                peer_text(sa), offer.child, rule->mode == Mode::transport ? "transport" : "tunnel"));
    }
    child.spec.inbound = offer.inbound;
    child.spec.outbound = choice->spi;
    child.spec.suite = choice->suite;
    // Where addresses were asked for, it is those that were given; and without what lies in another one.
    const bool narrowed = rule != nullptr && sa.given && !offer.rekeys;
    child.spec.local_selectors = narrow(traffic.local, narrowed ? local_selectors(sa, *rule) : offer.local);
    child.spec.remote_selectors = narrow(traffic.remote, offer.remote);
    if (child.spec.local_selectors.empty()) {
        return fail("ts-unacceptable",
                    fmt::format("{} answered child {} with {}, and gave us {}", peer_text(sa), offer.child,
                                wire::print(traffic.local), wire::print(local_selectors(sa, *rule))));
    }
    child.complete = !sa.reauth.old;  // else it waits for its turn
    child.ours = true;
    child.replaces = offer.rekeys;
    return child;
}

/// Whether the peer has deleted it again already: its answer was lost on the way, so we knew nothing of what it
/// deleted, and now the answer has come once more. RFC 7296 section 1.4.1: "The recipient MUST close the designated
/// SAs."
bool withdrawn(const ChildOffer& offer, const ChildSa& child) {
    return std::ranges::find(offer.deleted, child.spec.outbound) != offer.deleted.end();
}

/// RFC 7296 section 2.8.1: "the SA created with the lowest of the four nonces used in the two exchanges SHOULD be
/// closed by the endpoint that created it."
bool lost_to_rival(const Sa& sa, const ChildOffer& offer, const Nonces& nonces) {
    if (!offer.rival || sa.find_child(offer.rival->inbound) == nullptr) {
        return false;  // alone, or our kernel did not take the other one
    }
    const wire::Octets a(nonces.initiator.begin(), nonces.initiator.end());
    const wire::Octets b(nonces.responder.begin(), nonces.responder.end());
    return std::ranges::lexicographical_compare(lower_nonce(a, b), offer.rival->lowest_nonce);
}

void after_install(Context& context, Sa& sa, ChildSa& child) {
    const std::string name = child.spec.child;
    ChildSa* old = child.replaces ? sa.find_child(*child.replaces) : nullptr;
    report(context, sa, old != nullptr ? Report::Kind::child_rekeyed : Report::Kind::child_established, {}, name);
    if (child.ours && old != nullptr && old->state != ChildState::lingering) {
        // Section 2.8: "The node that initiated the surviving rekeyed SA should delete the replaced SA".
        old->state = ChildState::deleting;
        sa.waiting.emplace_back(DeleteChildren{{old->spec.inbound}});
    }
}

}  // namespace

bool has_child(const Sa& sa, const std::string& name) {
    bool found = std::ranges::any_of(sa.children, [&](const ChildSa& child) {
        return child.spec.child == name && child.state != ChildState::deleting &&
               child.state != ChildState::lingering;
    });
    for_offers(sa, [&](const ChildOffer& offer) { found |= offer.child == name; });
    return found;
}

bool is_to_be_rekeyed(const Sa& sa, EspSpi inbound) {
    bool found = false;
    for_offers(sa, [&](const ChildOffer& offer) { found |= offer.rekeys == inbound; });
    return found;
}

ChildOffer new_offer(Context& context, const Sa& sa, const ChildRule& rule, const ChildSa* old, bool with_group) {
    ChildOffer offer;
    offer.child = rule.name;
    offer.inbound = context.registry.new_esp_spi();
    offer.nonce = new_nonce(context.random);
    if (old != nullptr) {
        offer.rekeys = old->spec.inbound;
        offer.reqid = old->spec.reqid;
        offer.local = old->spec.local_selectors;
        offer.remote = old->spec.remote_selectors;
    } else {
        offer.reqid = context.registry.new_reqid();
        offer.local = local_selectors(sa, rule);
        offer.remote = remote_selectors(sa, rule);
    }
    offer.offered = ike::offer(rule.proposals, octets_of(offer.inbound), with_group);
    offer.group = first_group(offer.offered);
    return offer;
}

void offer_for_packet(ChildOffer& offer, const ChildRule& rule, const std::optional<PacketSelectors>& packet) {
    // In transport mode the selectors name two hosts already.
    if (packet && rule.mode == Mode::tunnel && covers(offer.local, {packet->local}) &&
        covers(offer.remote, {packet->remote})) {
        offer.packet = packet;
    }
}

void add_offer(Payloads& payloads, const Sa& sa, const ChildOffer& offer) {
    const ChildRule* rule = sa.connection->child(offer.child);
    wire::TsInitiatorPayload local{offer.local};
    wire::TsResponderPayload remote{offer.remote};
    if (offer.packet) {
        // Section 2.9: "if the initiator has requested the SA due to a data packet, the initiator SHOULD include as
        // the first Traffic Selector in each of TSi and TSr a very specific Traffic Selector including the addresses
        // in the packet triggering the request."
        local.selectors.insert(local.selectors.begin(), offer.packet->local);
        remote.selectors.insert(remote.selectors.begin(), offer.packet->remote);
    }
    payloads.emplace_back(offer.offered);
    payloads.emplace_back(std::move(local));
    payloads.emplace_back(std::move(remote));
    if (rule != nullptr && rule->mode == Mode::transport) {
        payloads.emplace_back(notify(wire::NotifyType::use_transport_mode));
    }
}

void start_create_child(Context& context, Sa& sa, ChildOffer& offer) {
    if (offer.rekeys) {
        const ChildSa* old = sa.find_child(*offer.rekeys);
        if (old == nullptr || old->state != ChildState::installed || successor_of(sa, *offer.rekeys) != nullptr) {
            return;
        }
    }
    const bool lacks_pair = offer.group != GroupId::none && !offer.key_pair;
    if (lacks_pair && takes_long(group_of(offer.group))) {
        wait_for_pair(context, sa, std::move(offer));
        return;
    }
    if (lacks_pair) {
        auto pair = new_key_pair(context.random, offer.group);
        if (!pair) {
            report(context, sa, Report::Kind::failed, std::move(pair).error(), offer.child);
            return;
        }
        offer.key_pair = *std::move(pair);
    }
    offer.deleted.clear();  // before this request
    Payloads payloads;
    if (offer.rekeys) {
        // Section 1.3.3: "The SA being rekeyed is identified by the SPI field … the SPI the exchange initiator would
        // expect in inbound ESP or AH packets."
        wire::NotifyPayload rekeyed = notify(wire::NotifyType::rekey_sa);
        rekeyed.protocol = wire::Protocol::esp;
        rekeyed.spi = octets_of(*offer.rekeys);
        payloads.emplace_back(std::move(rekeyed));
    }
    payloads.emplace_back(wire::NoncePayload{offer.nonce});
    if (offer.key_pair) {
        payloads.emplace_back(
            wire::KePayload{.group = static_cast<std::uint16_t>(offer.group), .value = offer.key_pair->public_value});
    }
    add_offer(payloads, sa, offer);
    send_request(context, sa, wire::ExchangeType::create_child_sa, payloads);
}

void on_create_child_response(Context& context, Sa& sa, ChildOffer offer, const Incoming& message) {
    const auto* nonce = find<wire::NoncePayload>(message.payloads);
    const auto* ke = find<wire::KePayload>(message.payloads);
    if (nonce == nullptr) {
        if (const auto* error = find_error(message.payloads)) {
            on_refusal(context, sa, offer, *error);
        } else {
            report(context, sa, Report::Kind::failed,
                   {"ike-malformed", fmt::format("{} answered CREATE_CHILD_SA without a nonce", peer_text(sa))},
                   offer.child);
            sa.waiting.emplace_back(DeleteChildren{{offer.inbound}});
        }
        return;
    }
    const wire::Octets own_nonce = offer.nonce;
    const Nonces nonces{own_nonce, nonce->data};
    if (!offer.key_pair || ke == nullptr) {
        finish_child_offer(context, sa, std::move(offer), message.payloads, nonces, nullptr);
        return;
    }
    const auto exchange = exchanged(context, *offer.key_pair, ke->value);
    if (!exchange) {
        report(context, sa, Report::Kind::failed, exchange.error(), offer.child);
        sa.waiting.emplace_back(DeleteChildren{{offer.inbound}});
        return;
    }
    finish_child_offer(context, sa, std::move(offer), message.payloads, nonces, &exchange->shared);
}

void finish_child_offer(Context& context, Sa& sa, ChildOffer offer, const Payloads& payloads, const Nonces& nonces,
                        const crypto::SharedSecret* shared) {
    if (find<wire::SaPayload>(payloads) == nullptr) {
        if (const auto* error = find_error(payloads)) {
            // Section 2.21.2: of a CHILD SA that is refused in IKE_AUTH, the IKE SA stands all the same.
            on_refusal(context, sa, offer, *error);
            return;
        }
    }
    auto child = accepted_child(sa, offer, payloads);
    if (child && (child->spec.suite.group != GroupId::none) != (shared != nullptr)) {
        child = fail("answer-not-offered", fmt::format("{} chose a group for child {} and sent no value of it",
                                                       peer_text(sa), offer.child));
    }
    if (child && withdrawn(offer, *child)) {
        // The CHILD SA that was to be replaced goes on, unless the peer has deleted it, too.
        child =
            fail("child-withdrawn", fmt::format("{} deleted child {} before its answer to our request came through",
                                                peer_text(sa), offer.child));
    }
    if (!child) {
        report(context, sa, Report::Kind::failed, std::move(child).error(), offer.child);
        sa.waiting.emplace_back(DeleteChildren{{offer.inbound}});
        return;
    }
    if (lost_to_rival(sa, offer, nonces)) {
        sa.waiting.emplace_back(DeleteChildren{{offer.inbound}});
        return;
    }
    auto keys = derive_child_keys(context.tools, sa.suite.prf, sa.keys.d, child->spec.suite, nonces, shared);
    if (!keys) {
        report(context, sa, Report::Kind::failed, std::move(keys).error(), offer.child);
        sa.waiting.emplace_back(DeleteChildren{{offer.inbound}});
        return;
    }
    if (take_prepared(context, sa, *child)) {
        return;
    }
    apply_rule(context, sa, *child);
    child->inbound_keys = std::move(keys->responder);
    child->outbound_keys = std::move(keys->initiator);
    sa.children.push_back(*std::move(child));
    ask_kernel(context, sa, sa.children.back());
}

void on_child_installed(Context& context, Sa& sa, EspSpi inbound, Result<void> result) {
    ChildSa* child = sa.find_child(inbound);
    if (child == nullptr || child->state != ChildState::installing) {
        return;
    }
    if (is_prepared(*child)) {
        on_prepared(sa, inbound, result.has_value());
        return;
    }
    const std::string name = child->spec.child;
    if (result) {
        child->state = child->complete ? ChildState::installed : ChildState::inbound_only;
        child->inbound_keys.reset();
        if (child->complete) {
            child->outbound_keys.reset();
        }
    } else {
        report(context, sa, Report::Kind::failed, std::move(result).error(), name);
        give_back(sa, *child);
        context.actions.emplace_back(RemoveChild{child->spec});
        if (child->ours) {
            sa.waiting.emplace_back(DeleteChildren{{inbound}});
        }
        std::erase_if(sa.children, [&](const ChildSa& each) { return each.spec.inbound == inbound; });
        child = nullptr;
    }
    if (sa.awaited && sa.awaited->child == inbound) {
        const AwaitedResponse awaited = *std::move(sa.awaited);
        sa.awaited.reset();
        send_response(context, sa, {awaited.id, awaited.exchange, awaited.request, {}},
                      child != nullptr ? awaited.payloads : awaited.refusal);
    }
    if (child != nullptr && sa.state != State::dead) {
        after_install(context, sa, *child);
    }
    start_next(context, sa);
}

void retire_child(Context& context, Sa& sa, EspSpi inbound) {
    ChildSa* old = sa.find_child(inbound);
    if (old == nullptr || old->state == ChildState::lingering) {
        return;
    }
    ChildSa* next = successor_of(sa, inbound);
    if (next == nullptr) {
        report(context, sa, Report::Kind::child_closed, {}, old->spec.child);
        if (twin_of(sa, *old) != nullptr) {
            let_linger(context, *old);
            return;
        }
        context.actions.emplace_back(RemoveChild{old->spec});
        std::erase_if(sa.children, [&](const ChildSa& child) { return child.spec.inbound == inbound; });
        return;
    }
    if (next->state == ChildState::inbound_only) {
        next->state = ChildState::installed;
        ask_kernel(context, sa, *next);
    }
    next->replaces.reset();
    old->state = ChildState::lingering;
    old->rekey_at = Instant::max();
    old->remove_at = context.now + context.settings.linger;
}

void let_linger(Context& context, ChildSa& child) {
    context.actions.emplace_back(RemoveOutbound{child.spec});
    child.inbound_keys.reset();
    child.outbound_keys.reset();
    child.replaces.reset();
    child.sends = false;
    child.state = ChildState::lingering;
    child.rekey_at = Instant::max();
    child.remove_at = context.now + context.settings.linger;
}

void rekey_child(Context& context, Sa& sa, ChildSa& child) {
    const EspSpi inbound = child.spec.inbound;
    // An offer may come to nothing in many ways, and what the kernel does at the hard limit breaks the traffic. So
    // whatever comes of this one, somebody looks again while the CHILD SA is there and has no successor.
    child.rekey_at = retry_time(context);
    const ChildRule* rule = sa.connection->child(child.spec.child);
    if (rule != nullptr && !is_to_be_rekeyed(sa, inbound) && successor_of(sa, inbound) == nullptr) {
        sa.waiting.emplace_back(new_offer(context, sa, *rule, &child, true));
    }
}

}  // namespace keysluice::ike
