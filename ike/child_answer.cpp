#include "ike/child_answer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ike/child_install.hpp"
#include "ike/delay.hpp"
#include "ike/remote_access.hpp"
#include "ike/turns.hpp"

namespace keysluice::ike {
namespace {

/// A failure, and the notification that tells the peer.
struct Refusal {
    wire::NotifyPayload notify;
    Error error;
};
template <typename T>
using Answer = std::expected<T, Refusal>;

std::unexpected<Refusal> refuse(wire::NotifyType type, Error error) {
    return std::unexpected(Refusal{notify(type), std::move(error)});
}

/// The same for another address. "In the case of transport mode NAT traversal, the Traffic Selectors MUST contain
/// exactly one IP address" (section 2.23); others stay as they are, and fit nothing.
TrafficSelectors moved_to(const IpAddress& address, TrafficSelectors selectors) {
    const IpAddress before = selectors.empty() ? address : selectors.front().first;
    const bool single = std::ranges::all_of(selectors, [&](const wire::TrafficSelector& each) {
        return each.first == before && each.last == before && before.family() == address.family();
    });
    for (wire::TrafficSelector& each : selectors) {
        each.first = single ? address : each.first;
        each.last = single ? address : each.last;
    }
    return selectors;
}

/// What the peer asks for.
struct ChildRequest {
    const wire::SaPayload* offered = nullptr;
    SeenTraffic traffic;
    Mode mode = Mode::tunnel;
    bool with_group = true;
    GroupId group = GroupId::none;  ///< of its KE payload
};

/// One of our children that the request fits, narrowed to what both want.
struct Fit {
    const ChildRule* rule = nullptr;
    EspChoice choice;
    TrafficSelectors local;
    TrafficSelectors remote;
};

Answer<Fit> fit(const Sa& sa, const ChildRule& rule, const ChildRequest& request, const ChildSa* old) {
    if (rule.mode != request.mode) {
        return refuse(wire::NotifyType::no_proposal_chosen,
                      {"mode-refused",
                       fmt::format("{} asks for {} mode, and child {} is configured for the other", peer_text(sa),
                                   request.mode == Mode::transport ? "transport" : "tunnel", rule.name)});
    }
    const TrafficSelectors local = old != nullptr ? old->spec.local_selectors : local_selectors(sa, rule);
    const TrafficSelectors remote = old != nullptr ? old->spec.remote_selectors : remote_selectors(sa, rule);
    Fit found{.rule = &rule,
              .choice = {},
              .local = narrow(request.traffic.local, local),
              .remote = narrow(request.traffic.remote, remote)};
    if (found.local.empty() || found.remote.empty()) {
        return refuse(
            wire::NotifyType::ts_unacceptable,
            {"ts-unacceptable", fmt::format("{} asks for {} to {}; child {} has {} to {}", peer_text(sa),
                                            wire::print(request.traffic.remote), wire::print(request.traffic.local),
                                            rule.name, wire::print(remote), wire::print(local))});
    }
    auto choice = choose_esp(*request.offered, rule.proposals, request.with_group, request.group);
    if (!choice) {
        return refuse(wire::NotifyType::no_proposal_chosen, std::move(choice).error());
    }
    found.choice = *choice;
    return found;
}

/// Section 2.9: "If the responder's policy allows it to accept the first selector of TSi and TSr, then the responder
/// MUST narrow the Traffic Selectors to a subset that includes the initiator's first choices."
bool has_first_choices(const Fit& fit, const ChildRequest& request) {
    return covers(fit.local, {request.traffic.local.front()}) && covers(fit.remote, {request.traffic.remote.front()});
}

/// The child that fits best: the one that is rekeyed, or the first whose rule lets the request pass, with the
/// initiator's first choices if one does.
Answer<Fit> find_fit(const Sa& sa, const ChildRequest& request, const ChildSa* old) {
    Answer<Fit> found = refuse(wire::NotifyType::ts_unacceptable,
                               {"ts-unacceptable", fmt::format("connection {} has no child", sa.connection->name)});
    for (const ChildRule& rule : sa.connection->children) {
        if (old != nullptr && rule.name != old->spec.child) {
            continue;
        }
        auto each = fit(sa, rule, request, old);
        if (each && has_first_choices(*each, request)) {
            return each;
        }
        // Of several refusals, the peer learns about the one that got furthest.
        if (!found && (each || found.error().error.reason != "no-proposal-chosen")) {
            found = std::move(each);
        }
    }
    return found;
}

Answer<ChildRequest> read_request(const Sa& sa, const Payloads& payloads, bool with_group) {
    ChildRequest request{.offered = find<wire::SaPayload>(payloads),
                         .traffic = {},
                         .mode = find_notify(payloads, wire::NotifyType::use_transport_mode) != nullptr
                                     ? Mode::transport
                                     : Mode::tunnel,
                         .with_group = with_group,
                         .group = GroupId::none};
    if (const auto* ke = find<wire::KePayload>(payloads)) {
        request.group = static_cast<GroupId>(ke->group);
    }
    const auto* ts_i = find<wire::TsInitiatorPayload>(payloads);
    const auto* ts_r = find<wire::TsResponderPayload>(payloads);
    const bool whole = request.offered != nullptr && ts_i != nullptr && ts_r != nullptr;
    if (!whole || ts_i->selectors.empty() || ts_r->selectors.empty()) {
        return refuse(
            wire::NotifyType::invalid_syntax,
            {"ike-malformed", fmt::format("{} asked for a CHILD SA without SA or traffic selectors", peer_text(sa))});
    }
    request.traffic = seen_from_here(sa, request.mode, ts_r->selectors, ts_i->selectors);
    return request;
}

ChildSa child_of(Context& context, const Sa& sa, const Fit& fit, const ChildSa* old) {
    ChildSa child;
    child.spec = spec_of(sa, fit.rule->name, old != nullptr ? old->spec.reqid : context.registry.new_reqid());
    child.spec.mode = fit.rule->mode;
    child.spec.inbound = context.registry.new_esp_spi();
    child.spec.outbound = fit.choice.spi;
    child.spec.suite = fit.choice.suite;
    child.spec.local_selectors = fit.local;
    child.spec.remote_selectors = fit.remote;
    // Section 2.8: a rekeyed SA's initiator can't receive on it before our response has come, so we go on sending on
    // the old one until it is deleted.
    child.complete = old == nullptr;
    if (old != nullptr) {
        child.replaces = old->spec.inbound;
    } else if (context.registry.stands_beside(sa, child)) {
        wait_for_turn(context, child);
    }
    apply_rule(context, sa, child);
    return child;
}

void add_answer(Payloads& payloads, const ChildSa& child, const EspChoice& choice, bool with_group) {
    payloads.emplace_back(answer(choice, child.spec.inbound, with_group));
    payloads.emplace_back(wire::TsInitiatorPayload{child.spec.remote_selectors});
    payloads.emplace_back(wire::TsResponderPayload{child.spec.local_selectors});
    if (child.spec.mode == Mode::transport) {
        payloads.emplace_back(notify(wire::NotifyType::use_transport_mode));
    }
}

/// Asks the kernel for the child; the response goes out when it has it.
Result<void> install(Context& context, Sa& sa, ChildSa child, const ChildMaterial& material,
                     AwaitedResponse response) {
    auto keys =
        derive_child_keys(context.tools, sa.suite.prf, sa.keys.d, child.spec.suite, material.nonces, material.shared);
    if (!keys) {
        return pass_on(std::move(keys));
    }
    child.inbound_keys = std::move(keys->initiator);
    child.outbound_keys = std::move(keys->responder);
    response.child = child.spec.inbound;
    sa.awaited = std::move(response);
    sa.children.push_back(std::move(child));
    ask_kernel(context, sa, sa.children.back());
    return {};
}

/// RFC 7296 section 2.25: what stands in the way of a request for a CHILD SA.
std::optional<wire::NotifyType> obstacle(const Context& context, Sa& sa, const ChildSa* old, bool rekeys) {
    // 2.25.2: "If a peer receives a request to create or rekey a Child SA when it is currently rekeying the IKE SA,
    // it SHOULD reply with TEMPORARY_FAILURE."
    const bool rekeying_ike = sa.current && std::holds_alternative<IkeOffer>(*sa.current);
    if (sa.state != State::established || rekeying_ike) {
        return wire::NotifyType::temporary_failure;
    }
    if (sa.children.size() >= context.settings.children_most) {
        // 1.3: "The responder sends a NO_ADDITIONAL_SAS notification to indicate that a CREATE_CHILD_SA request is
        // unacceptable because the responder is unwilling to accept any more Child SAs on this IKE SA."
        return wire::NotifyType::no_additional_sas;
    }
    if (!rekeys) {
        return {};
    }
    // Its answer to our request may have made it, and be still on its way. On CHILD_SA_NOT_FOUND it would silently
    // delete what we then install.
    if (old == nullptr && unanswered_offer(sa) != nullptr) {
        return wire::NotifyType::temporary_failure;
    }
    // 2.25.1: "If a peer receives a request to rekey a Child SA that does not exist, it SHOULD reply with
    // CHILD_SA_NOT_FOUND."
    if (old == nullptr || old->state == ChildState::lingering) {
        return wire::NotifyType::child_sa_not_found;
    }
    // "If a peer receives a request to rekey a Child SA that it is currently trying to close, it SHOULD reply with
    // TEMPORARY_FAILURE."
    if (old->state != ChildState::installed || successor_of(sa, old->spec.inbound) != nullptr) {
        return wire::NotifyType::temporary_failure;
    }
    return {};
}

void note_rival(Sa& sa, const ChildSa& old, EspSpi inbound, const Nonces& nonces) {
    ChildOffer* own = unanswered_offer(sa);
    if (own != nullptr && own->rekeys == old.spec.inbound) {
        own->rival =
            ChildOffer::Rival{.inbound = inbound,
                              .lowest_nonce = lower_nonce({nonces.initiator.begin(), nonces.initiator.end()},
                                                          {nonces.responder.begin(), nonces.responder.end()})};
    }
}

void refuse_child(Context& context, Sa& sa, const Incoming& message, Refusal refusal) {
    report(context, sa, Report::Kind::refused, in_exchange(message.exchange, std::move(refusal.error)));
    send_response(context, sa, message, {std::move(refusal.notify)});
}

/// The request's way once nothing stands in it.
std::optional<Refusal> accept(Context& context, Sa& sa, const Incoming& message, const ChildSa* old) {
    auto request = read_request(sa, message.payloads, true);
    if (!request) {
        return std::move(request).error();
    }
    auto fit = find_fit(sa, *request, old);
    if (!fit) {
        return std::move(fit).error();
    }
    const GroupId group = fit->choice.suite.group;
    const auto* ke = find<wire::KePayload>(message.payloads);
    if (group != GroupId::none && (ke == nullptr || request->group != group)) {
        return Refusal{
            suggest_group(group),
            {"ike-group-refused",
             fmt::format(
                 "{} sent a key of {}, and of what it offers child {} takes {} first: it may ask again with that",
                 peer_text(sa), request->group == GroupId::none ? "no group" : name_of(request->group),
                 fit->rule->name, name_of(group))}};
    }
    const auto* nonce = find<wire::NoncePayload>(message.payloads);
    if (nonce == nullptr) {
        return Refusal{notify(wire::NotifyType::invalid_syntax),
                       {"ike-malformed", "CREATE_CHILD_SA without a nonce"}};
    }
    std::optional<Exchanged> exchange;
    if (group != GroupId::none) {
        const crypto::KeyPair own = unmade_pair(context.random, group_of(group));
        if (waits_for_keys(context, sa, message, false, own, ke->value)) {
            return {};
        }
        auto computed = exchanged(context, own, ke->value);
        if (!computed) {
            return Refusal{notify(wire::NotifyType::invalid_syntax), std::move(computed).error()};
        }
        exchange = *std::move(computed);
    }
    AwaitedResponse response{message.id, message.exchange, message.digest, {}, {}, {}};
    const wire::Octets own_nonce = new_nonce(context.random);
    const ChildMaterial material{.nonces = {nonce->data, own_nonce},
                                 .shared = exchange ? &exchange->shared : nullptr};
    ChildSa child = child_of(context, sa, *fit, old);
    add_answer(response.payloads, child, fit->choice, true);
    response.payloads.emplace_back(wire::NoncePayload{own_nonce});
    if (exchange) {
        response.payloads.emplace_back(wire::KePayload{.group = ke->group, .value = exchange->own.public_value});
    }
    response.refusal.emplace_back(notify(wire::NotifyType::no_proposal_chosen));
    if (old != nullptr) {
        note_rival(sa, *old, child.spec.inbound, material.nonces);
    }
    if (auto installed = install(context, sa, std::move(child), material, std::move(response)); !installed) {
        return Refusal{notify(wire::NotifyType::no_proposal_chosen), std::move(installed).error()};
    }
    return {};
}

}  // namespace

ChildSaSpec spec_of(const Sa& sa, const std::string& child, ReqId reqid) {
    ChildSaSpec spec;
    spec.connection = sa.connection->name;
    spec.child = child;
    spec.reqid = reqid;
    spec.local = sa.local.address;
    spec.remote = sa.remote.address;
    spec.interface_id = sa.connection->interface.id;
    if (sa.nat_here || sa.nat_there) {
        spec.udp_ports = {sa.local.port, sa.remote.port};
    }
    spec.several_gateways = sa.connection->gateways.several();
    return spec;
}

TrafficSelectors local_selectors(const Sa& sa, const ChildRule& rule) {
    if (!rule.local.empty()) {
        return rule.local;
    }
    if (sa.given) {
        return selectors_of(sa.given->addresses);
    }
    return sa.initiator && asks_for_addresses(sa) ? any_of(sa.connection->virtual_addresses)
                                                  : TrafficSelectors{selector_of(sa.local.address)};
}

TrafficSelectors remote_selectors(const Sa& sa, const ChildRule& rule) {
    if (!rule.remote.empty()) {
        return rule.remote;
    }
    return sa.assigned ? selectors_of(sa.assigned->addresses) : TrafficSelectors{selector_of(sa.remote.address)};
}

SeenTraffic seen_from_here(const Sa& sa, Mode mode, const TrafficSelectors& local, const TrafficSelectors& remote) {
    const bool transport = mode == Mode::transport;
    return {.local = transport && sa.nat_here ? moved_to(sa.local.address, local) : local,
            .remote = transport && sa.nat_there ? moved_to(sa.remote.address, remote) : remote};
}

ChildSa* successor_of(Sa& sa, EspSpi inbound) {
    ChildSa* found = nullptr;
    for (ChildSa& child : sa.children) {
        if (child.replaces == inbound && (found == nullptr || child.ours)) {
            found = &child;
        }
    }
    return found;
}

ChildOffer* unanswered_offer(Sa& sa) {
    if (sa.negotiation) {
        auto& first = sa.negotiation->child;
        return first ? &*first : nullptr;
    }
    return sa.current ? std::get_if<ChildOffer>(&*sa.current) : nullptr;
}

void apply_rule(Context& context, const Sa& sa, ChildSa& child) {
    const ChildRule* rule = sa.connection->child(child.spec.child);
    if (rule == nullptr) {
        return;
    }
    child.rekey_at = early(context, rule->rekey_time);
    // Linux, xfrm_dev_state_add(): "XFRM if_id is not supported in RX path".
    child.spec.offload = sa.connection->interface.id != 0 ? Offload::off : rule->offload;
    child.spec.lifetime = {.time = rule->rekey_time,
                           .bytes = early(context, rule->rekey_bytes),
                           .packets = early(context, rule->rekey_packets)};
}

void on_create_child_request(Context& context, Sa& sa, const Incoming& message) {
    const auto* rekeys = find_notify(message.payloads, wire::NotifyType::rekey_sa);
    ChildSa* old = nullptr;
    if (rekeys != nullptr) {
        Reader spi(rekeys->spi);
        const EspSpi outbound{spi.be<std::uint32_t>()};
        old =
            spi.finished() && rekeys->protocol == wire::Protocol::esp ? sa.find_child_by_outbound(outbound) : nullptr;
    }
    if (const auto type = obstacle(context, sa, old, rekeys != nullptr)) {
        wire::NotifyPayload refusal = notify(*type);
        if (*type == wire::NotifyType::child_sa_not_found) {
            refusal.protocol = rekeys->protocol;
            refusal.spi = rekeys->spi;
        }
        send_response(context, sa, message, {std::move(refusal)});
        return;
    }
    if (auto refusal = accept(context, sa, message, old)) {
        refuse_child(context, sa, message, *std::move(refusal));
    }
}

void answer_child_request(Context& context, Sa& sa, const Incoming& message, Payloads payloads,
                          const ChildMaterial& material) {
    AwaitedResponse response{message.id, message.exchange, message.digest, payloads, payloads, {}};
    auto request = read_request(sa, message.payloads, false);
    auto fit = request ? find_fit(sa, *request, nullptr) : Answer<Fit>(std::unexpected(std::move(request).error()));
    std::optional<Refusal> refusal;
    if (fit) {
        ChildSa child = child_of(context, sa, *fit, nullptr);
        add_answer(response.payloads, child, fit->choice, false);
        response.refusal.emplace_back(notify(wire::NotifyType::no_proposal_chosen));
        if (auto installed = install(context, sa, std::move(child), material, std::move(response)); !installed) {
            refusal = Refusal{notify(wire::NotifyType::no_proposal_chosen), std::move(installed).error()};
        }
    } else {
        refusal = std::move(fit).error();
    }
    if (refusal) {
        // Section 2.21.2: the IKE SA stands, though its first CHILD SA does not.
        report(context, sa, Report::Kind::refused, in_exchange(message.exchange, std::move(refusal->error)));
        payloads.emplace_back(std::move(refusal->notify));
        send_response(context, sa, message, payloads);
    }
}

}  // namespace keysluice::ike
