#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ike/create_child.hpp"
#include "ike/endpoint.hpp"
#include "ike/informational.hpp"
#include "ike/init.hpp"
#include "ike/twins.hpp"

// The part of Endpoint that chooses among the gateways of a connection.
//
// A round tries each gateway once, one right behind the other; between rounds the pauses of a connection that is to
// be up hold. Whatever IKE SA ends, the connection goes on with the next gateway, until a round is over. Going back
// to a better gateway is make before break: an IKE SA with all the same children comes to stand beside the old one.

namespace keysluice::ike {
namespace {

/// It may carry traffic, or come to.
bool counts(State state) {
    switch (state) {
        case State::init_sent:
        case State::auth_sent:
        case State::signing:
        case State::verifying:
        case State::eap:
        case State::established:
            return true;
        case State::half_open:
        case State::replaced:
        case State::closing:
        case State::dead:
            return false;
    }
    return false;
}

/// Why an IKE SA has come to its end, as it was reported; who closed it where that was another event.
Error reason_of(const Actions& actions, const Sa& sa) {
    Error why = sa.state == State::closing
                    ? Error{"gateway-left", fmt::format("this end has closed the IKE SA with {}", peer_text(sa))}
                    : Error{"gateway-closed", fmt::format("{} has closed the IKE SA", peer_text(sa))};
    for (const Action& action : actions) {
        const auto* report = std::get_if<Report>(&action);
        if (report != nullptr && report->sa == sa.own_spi() && report->kind == Report::Kind::failed) {
            why = report->error;
        }
    }
    return why;
}

/// Whether one of its CHILD SAs carries what this one does.
bool carries_as_well(const Sa& sa, const ChildSa& child) {
    return std::ranges::any_of(sa.children, [&](const ChildSa& each) {
        return each.spec.child == child.spec.child && each.state == ChildState::installed;
    });
}

}  // namespace

// ---- what is known of a connection

void Endpoint::configure_gateways(const std::vector<ConnectionPtr>& connections) {
    GatewayUses before = std::exchange(gateways_, {});
    for (const ConnectionPtr& rules : connections) {
        const Gateways& gateways = rules->gateways;
        if (!gateways.several()) {
            continue;
        }
        if (auto known = before.extract(rules->name)) {
            gateways_.insert(std::move(known));
            continue;
        }
        const bool anywhere = gateways.order == Gateways::Order::rotation;
        const std::size_t start = anywhere ? random_.number<std::uint32_t>() % gateways.all.size() : 0;
        gateways_[rules->name].current = gateways.all[start];
    }
}

void Endpoint::restore_gateways(const GatewayUses& uses) {
    for (const auto& [name, use] : uses) {
        const auto found = gateways_.find(name);
        if (found == gateways_.end()) {
            continue;
        }
        GatewayUse& restored = found->second = use;
        if (use.probe && !sas_.contains(*use.probe)) {
            restored.probe.reset();
        }
        // What the process before sought, it did not find.
        const bool sought = (use.probed && !restored.probe) || (use.wanted && standing(name) == nullptr);
        restored.look_at = sought ? Instant{} : use.look_at;
        if (restored.look_at != Instant::max()) {
            looks_.emplace(restored.look_at, name);
        }
    }
}

GatewayUse* Endpoint::use_of(const std::string& connection) {
    const auto found = gateways_.find(connection);
    gateways_changed_ = gateways_changed_ || found != gateways_.end();
    return found == gateways_.end() ? nullptr : &found->second;
}

std::optional<UdpEndpoint> Endpoint::gateway(const std::string& connection) const {
    const auto found = gateways_.find(connection);
    return found == gateways_.end() ? std::nullopt : std::optional(found->second.current);
}

std::optional<UdpEndpoint> Endpoint::next_gateway(const std::string& connection) {
    const auto found = gateways_.find(connection);
    if (found == gateways_.end()) {
        return std::nullopt;
    }
    const UdpEndpoint& current = found->second.current;
    return standing(connection) != nullptr ? current
                                           : first_of_round(connections_.find(connection)->gateways, current);
}

// ---- from one to the next

void Endpoint::come_to(Context& context, const Connection& rules, GatewayUse& use, const UdpEndpoint& gateway,
                       Error why) {
    if (use.current != gateway) {
        const UdpEndpoint from = std::exchange(use.current, gateway);
        context.actions.emplace_back(Report{.kind = Report::Kind::gateway_changed,
                                            .connection = rules.name,
                                            .child = {},
                                            .peer = gateway,
                                            .sa = {},
                                            .error = std::move(why),
                                            .from = from});
    }
}

/// Somebody wants it up, from this gateway on where it is not up yet.
void Endpoint::want(Context& context, const Connection& rules, const std::string& child,
                    const std::optional<UdpEndpoint>& gateway) {
    GatewayUse* const use = use_of(rules.name);
    if (use == nullptr) {
        return;
    }
    use->child = use->wanted && use->child != child ? std::string() : child;
    use->wanted = true;
    if (gateway && standing(rules.name) == nullptr) {
        come_to(context, rules, *use, *gateway,
                {"gateway-returned", fmt::format("the connection begins with {} again", gateway->text())});
    }
}

void Endpoint::begin_round(Context& context, const Connection& rules, GatewayUse& use) {
    const UdpEndpoint first = first_of_round(rules.gateways, use.current);
    use.failed = 0;
    want(context, rules, use.child, first);
    seek(context, rules, use);
}

void Endpoint::seek(Context& context, const Connection& rules, const GatewayUse& use) {
    context.actions.emplace_back(
        SeekGateway{.connection = rules.name, .child = use.child, .gateway = use.current, .probe = false});
}

void Endpoint::leave_gateway(Context& context, const Connection& rules, GatewayUse& use, const Error& why) {
    const bool over = ++use.failed >= rules.gateways.all.size();
    const UdpEndpoint behind = gateway_after(rules.gateways, use.current);
    come_to(context, rules, use, over ? first_of_round(rules.gateways, behind) : behind, why);
    if (!over) {
        seek(context, rules, use);
        return;
    }
    use.failed = 0;
    use.wanted = rules.keep_up;
    if (const Wanted* found = wanted_.find(rules.name)) {
        Wanted wanted = *found;
        wanted.look_at = context.now + std::max(wanted.wait, rules.retry.first);
        wanted_.put(rules.name, wanted);
    }
}

void Endpoint::handle(Context& context, const NoWay& event) {
    const ConnectionPtr rules = connections_.find(event.connection);
    GatewayUse* const use = rules ? use_of(event.connection) : nullptr;
    if (use == nullptr || (!event.probe && standing(event.connection) != nullptr)) {
        return;
    }
    if (event.probe) {
        on_probe_failed(context, *rules, *use);
        return;
    }
    if (rules->keep_up && wanted_.find(rules->name) == nullptr) {
        wanted_.put(rules->name, {.local = {}, .remote = {}, .look_at = context.now + rules->retry.first});
    }
    want(context, *rules, event.child, event.gateway);
    leave_gateway(context, *rules, *use, event.why);
}

void Endpoint::forget_gateways(const Terminate& event) {
    GatewayUse* const use = use_of(event.connection);
    if (use == nullptr) {
        return;
    }
    if (event.sa) {
        use->closing = event.sa;
        return;
    }
    const UdpEndpoint current = use->current;
    *use = GatewayUse();
    use->current = current;
}

// ---- what the event that was handled means for gateways

void Endpoint::follow_gateways(Context& context) {
    if (gateways_.empty()) {
        return;
    }
    for (std::size_t i = 0; i < context.actions.size(); ++i) {  // more may come meanwhile
        const auto* changed = std::get_if<StateChanged>(&context.actions[i]);
        if (changed != nullptr && counts(changed->from) && changed->to != State::replaced) {
            on_gateway(context, *changed);
            continue;
        }
        const auto* report = std::get_if<Report>(&context.actions[i]);
        if (report == nullptr) {
            continue;
        }
        const auto use = gateways_.find(report->connection);
        if (report->kind == Report::Kind::ike_rekeyed && use != gateways_.end() &&
            use->second.probe == report->from_sa) {
            use_of(report->connection)->probe = report->sa;
        }
        const bool elsewhere = report->kind == Report::Kind::path_changed && report->before && report->after &&
                               report->before->remote.address != report->after->remote.address;
        if (elsewhere) {
            on_gateway_moved(context, *report);
        }
    }
    for (const IkeSpi spi : std::vector(touched_)) {
        const auto sa = sas_.find(spi);
        if (sa == sas_.end() || !sa->second->connection) {
            continue;
        }
        const std::string& name = sa->second->connection->name;
        if (const auto found = gateways_.find(name); found != gateways_.end() && found->second.probe) {
            settle_return(context, name);
        }
    }
}

void Endpoint::on_gateway(Context& context, StateChanged changed) {
    const auto found = sas_.find(changed.sa);
    if (found == sas_.end() || !found->second->connection) {
        return;
    }
    const Sa& sa = *found->second;
    const bool known = sa.initiator || sa.established_at != Instant{};
    const ConnectionPtr rules = connections_.find(sa.connection->name);
    GatewayUse* const use = known && rules ? use_of(rules->name) : nullptr;
    if (use == nullptr || !use->wanted) {
        return;
    }
    if (changed.to == State::established) {
        look_for_better_after(context.now + rules->gateways.check, *rules, *use);
    } else if (!counts(changed.to)) {
        on_gateway_gone(context, *rules, *use, sa);
    }
}

/// MOBIKE has found another address of the peer. Where that stands in the list, too, it is the gateway in use.
void Endpoint::on_gateway_moved(Context& context, Report moved) {
    const ConnectionPtr rules = connections_.find(moved.connection);
    GatewayUse* const use = rules ? use_of(moved.connection) : nullptr;
    const Sa* const sa = standing(moved.connection);
    if (use == nullptr || sa == nullptr || sa->own_spi() != moved.sa || sa->remote.address == use->current.address) {
        return;
    }
    const auto in_list = std::ranges::find(rules->gateways.all, sa->remote.address,
                                           [](const UdpEndpoint& each) { return each.address; });
    if (in_list != rules->gateways.all.end()) {
        come_to(context, *rules, *use, *in_list, std::move(moved.error));
        look_for_better_after(context.now + rules->gateways.check, *rules, *use);
    }
}

void Endpoint::on_gateway_gone(Context& context, const Connection& rules, GatewayUse& use, const Sa& sa) {
    const bool told = use.closing == sa.own_spi();
    if (told) {
        use.closing.reset();
    }
    if (use.probe == sa.own_spi()) {
        on_probe_failed(context, rules, use);
    } else if (standing(rules.name) != nullptr) {
        return;  // that one has come in its place
    } else if (use.probe) {
        use.probe.reset();
        come_to(context, rules, use, std::exchange(use.probed, {}).value_or(use.current),
                reason_of(context.actions, sa));
    } else if (told) {
        use.wanted = rules.keep_up;
    } else if (Error why = reason_of(context.actions, sa); why.reason == "address-gone") {
        seek(context, rules, use);  // it is we who are elsewhere
    } else {
        const bool lasted = sa.established_at != Instant{} && context.now - sa.established_at >= rules.retry.first;
        use.failed = lasted ? 0 : use.failed;
        leave_gateway(context, rules, use, why);
    }
}

// ---- back to a better one

void Endpoint::look_for_better_after(Instant moment, const Connection& rules, GatewayUse& use) {
    if (!better_than(rules.gateways, use.current).empty()) {
        use.look_at = moment;
        looks_.emplace(moment, rules.name);
    }
}

void Endpoint::look_for_better(Context& context, const std::string& connection) {
    const ConnectionPtr rules = connections_.find(connection);
    GatewayUse* const use = rules ? use_of(connection) : nullptr;
    if (use == nullptr || use->look_at > context.now) {
        return;
    }
    use->look_at = Instant::max();
    const Sa* const sa = standing(connection);
    if (sa == nullptr && use->wanted && !rules->keep_up) {
        seek(context, *rules, *use);  // the process before did
        return;
    }
    const auto better = better_than(rules->gateways, use->current);
    if (sa == nullptr || sa->state != State::established || use->probe || better.empty()) {
        return;  // another one that is established brings us here again
    }
    if (sa->reauth.fresh) {
        look_for_better_after(context.now + rules->gateways.check, *rules, *use);
        return;  // where that comes to nothing, this IKE SA stays
    }
    if (use->probed) {
        probe(context, *rules, *use, *use->probed);  // the same
        return;
    }
    if (rules->gateways.back == Gateways::Return::when_idle) {
        const Instant rested = (sa->watch.counted ? sa->watch.quiet_since : context.now) + rules->gateways.idle;
        if (context.now < rested) {
            look_for_better_after(rested, *rules, *use);
            return;
        }
    }
    probe(context, *rules, *use, better.front());
}

void Endpoint::probe(Context& context, const Connection& rules, GatewayUse& use, const UdpEndpoint& gateway) {
    use.probed = gateway;
    use.probe.reset();
    context.actions.emplace_back(
        SeekGateway{.connection = rules.name, .child = use.child, .gateway = gateway, .probe = true});
}

void Endpoint::begin_probe(Context& context, const ConnectionPtr& rules, const Initiate& event) {
    GatewayUse* const use = use_of(rules->name);
    const Sa* const old = standing(rules->name);
    if (use == nullptr || use->probed != event.remote || old == nullptr) {
        return;
    }
    Sa* fresh = nullptr;
    for (const ChildRule& rule : rules->children) {
        if (!has_child(*old, rule.name)) {
            continue;
        }
        if (fresh == nullptr) {
            fresh = &adopt(ike::initiate(context, rules, rule, event.local, event.remote));
            use->probe = fresh->own_spi();
        } else if (fresh->state != State::dead) {
            fresh->waiting.emplace_back(new_offer(context, *fresh, rule, nullptr, true));
        }
    }
    if (fresh == nullptr) {
        on_probe_failed(context, *rules, *use);
    }
}

void Endpoint::on_probe_failed(Context& context, const Connection& rules, GatewayUse& use) {
    const auto better = better_than(rules.gateways, use.current);
    const auto probed = std::ranges::find(better, use.probed.value_or(use.current));
    use.probed.reset();
    use.probe.reset();
    if (probed != better.end() && std::next(probed) != better.end()) {
        probe(context, rules, use, *std::next(probed));
    } else {
        look_for_better_after(context.now + rules.gateways.check, rules, use);
    }
}

/// Leaves the old gateway once the better one carries all that it does.
void Endpoint::settle_return(Context& context, const std::string& connection) {
    const ConnectionPtr rules = connections_.find(connection);
    GatewayUse& use = *use_of(connection);
    Sa* const fresh = find(use.probe.value_or(IkeSpi{}));
    Sa* const old = standing(connection);
    if (!rules || fresh == nullptr || old == nullptr || fresh->state != State::established || !quiet(*fresh)) {
        return;
    }
    const auto lacking = std::ranges::find_if(old->children, [&](const ChildSa& child) {
        return child.state != ChildState::lingering && !carries_as_well(*fresh, child);
    });
    if (lacking != old->children.end()) {
        report(context, *fresh, Report::Kind::failed,
               {"gateway-lacks-child",
                fmt::format("{} would be the better gateway and does not make child {}, which {} carries",
                            peer_text(*fresh), lacking->spec.child, peer_text(*old))});
        close(context, *fresh);
        on_probe_failed(context, *rules, use);
        return;
    }
    if (old->state != State::established || !quiet(*old)) {
        return;  // the end of what it is about brings us here again
    }
    retire(context, *old, *fresh);
    use.probe.reset();
    const UdpEndpoint back = std::exchange(use.probed, {}).value_or(use.current);
    come_to(context, *rules, use, back,
            {"gateway-returned", fmt::format("{} stands further in front of the list, and is there", back.text())});
    look_for_better_after(context.now + rules->gateways.check, *rules, use);
}

}  // namespace keysluice::ike
