#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ike/create_child.hpp"
#include "ike/endpoint.hpp"
#include "ike/informational.hpp"
#include "ike/init.hpp"
#include "ike/rekey_ike.hpp"
#include "ike/turns.hpp"
#include "ike/twins.hpp"

// The part of Endpoint that puts an IKE SA with proofs of its own in the place of another one (RFC 7296 section
// 2.8.3), make before break. Who began the first IKE SA does so: only it can be the client of EAP, and ask for
// virtual addresses. The two know each other by Reauthentication::old and ::fresh, which are written with them.
//
//   old            fresh                       what happens
//   ───────────    ─────────────────────       ──────────────────────────────────────────────────────────────────
//   established    -                           begin_at has come, or somebody wishes it: IKE_SA_INIT
//   established    init_sent … established     IKE_AUTH, CREATE_CHILD_SA; its CHILD SAs take packets and send none
//   established    established, all is there   its CHILD SAs take over: those of the old one linger there
//   replaced       established, asks kernel    what is asked is that the new outbound halves take the packets
//   replaced       established, it has them    the old one is deleted: reauthenticated
//   established    dead, closing               reauth_failed: the old one stays, and another try comes after a pause
//   dead, closing  anything                    the fresh one is like any other, and its CHILD SAs send
//
// Whatever fails, the old one ends at over_at (auth_lifetime.hpp).

namespace keysluice::ike {
namespace {

/// It is gone, or goes as soon as it may.
bool over(const Sa* sa) {
    const auto ends = [](const Task& task) { return std::holds_alternative<DeleteIke>(task); };
    return sa == nullptr || sa->state == State::closing || sa->state == State::dead ||
           std::ranges::any_of(sa->waiting, ends);
}

/// All that it is to carry has its inbound half, and nothing more is on its way.
bool ready(const Sa& sa) {
    const bool there = std::ranges::all_of(sa.children, [](const ChildSa& child) {
        return waits_for_turn(child) || carries(child) || child.state == ChildState::lingering;
    });
    return sa.state == State::established && there && !sa.current && sa.waiting.empty() && !sa.awaited && !sa.delayed;
}

bool has_waiting(const Sa& sa, const std::string& child) {
    return std::ranges::any_of(sa.children,
                               [&](const ChildSa& each) { return each.spec.child == child && waits_for_turn(each); });
}

/// A child of the old one that the fresh one has nothing for; null: none.
const ChildSa* lacking(const Sa& old, const Sa& fresh) {
    const auto found = std::ranges::find_if(old.children, [&](const ChildSa& child) {
        return child.state != ChildState::lingering && fresh.connection->child(child.spec.child) != nullptr &&
               !has_waiting(fresh, child.spec.child);
    });
    return found == old.children.end() ? nullptr : &*found;
}

Error cause_of(const Sa& old) {
    switch (old.reauth.cause) {
        case ReauthCause::time:
            return {"reauth-time", fmt::format("the reauth_time of connection {} was over", old.connection->name)};
        case ReauthCause::peers_lifetime:
            return {"auth-lifetime", fmt::format("{} said that our authentication would end", peer_text(old))};
        case ReauthCause::wish:
            return {"reauth-asked", "somebody has asked for it"};
    }
    std::unreachable();
}

/// There is nothing in the place of which it would come: its CHILD SAs send as soon as they can.
void stand_alone(Sa& fresh) {
    fresh.reauth.old.reset();
    for (ChildSa& child : fresh.children) {
        child.sends_at = Instant{};
    }
}

/// Why the fresh one came to nothing, as it was reported.
Error reason_of(const Actions& actions, IkeSpi fresh) {
    Error why{"reauth-refused", "the peer has closed the new IKE SA"};
    for (const Action& action : actions) {
        const auto* report = std::get_if<Report>(&action);
        if (report != nullptr && report->sa == fresh && report->kind == Report::Kind::failed) {
            why = report->error;
        }
    }
    return why;
}

void report_turn(Context& context, Report::Kind kind, const Sa& old, IkeSpi fresh, Error why) {
    context.actions.emplace_back(Report{.kind = kind,
                                        .connection = old.connection->name,
                                        .child = {},
                                        .peer = old.remote,
                                        .sa = fresh,
                                        .error = std::move(why),
                                        .from_sa = old.own_spi()});
}

}  // namespace

/// One of the two may be lost, whose connection is no longer configured.
void Endpoint::restore_reauthentications() {
    for (const auto& [spi, sa] : sas_) {
        Reauthentication& reauth = sa->reauth;
        if (reauth.fresh && !sas_.contains(*reauth.fresh)) {
            reauth.fresh.reset();
            reauth.begin_at = std::min(reauth.begin_at, Instant{});
        }
        if (reauth.old && !sas_.contains(*reauth.old)) {
            stand_alone(*sa);
        }
        deadlines_.set(*sa, ike::next_deadline(*sa, settings_));
    }
}

bool Endpoint::comes_in_place(const Sa& sa) const {
    const auto old = sa.reauth.old ? sas_.find(*sa.reauth.old) : sas_.end();
    return old != sas_.end() && old->second->state == State::established;
}

// ---- when it begins

void Endpoint::handle(Context& context, const Reauthenticate& event) {
    for (const IkeSpi spi : index_.of_connection(event.connection)) {
        const Sa& sa = *sas_.at(spi);
        if (event.sa.value_or(spi) == spi && sa.state == State::established && sa.mobility.leads) {
            begin_reauthentication(context, *find(spi), ReauthCause::wish);
        }
    }
}

void Endpoint::look_at_lifetime(Context& context, Sa& sa) {
    if (sa.state != State::established) {
        return;
    }
    if (context.now >= sa.reauth.over_at) {
        sa.reauth.begin_at = Instant::max();
        sa.reauth.over_at = Instant::max();
        report(context, sa, Report::Kind::failed,
               {"auth-expired", fmt::format("{} has not authenticated anew in time, so the IKE SA is closed; does {} "
                                            "know reauthentication?",
                                            sa.mobility.leads ? "this end" : peer_text(sa),
                                            sa.mobility.leads ? peer_text(sa) : "it")});
        close(context, sa);
    } else if (context.now >= sa.reauth.begin_at) {
        sa.reauth.begin_at = retry_time(context);  // where there is nothing to begin with
        begin_reauthentication(context, sa, sa.reauth.cause);
    }
}

void Endpoint::begin_reauthentication(Context& context, Sa& old, ReauthCause cause) {
    const GatewayUse* use = use_of(old.connection->name);
    if (old.reauth.fresh || old.reauth.old || (use != nullptr && use->probe)) {
        return;  // what is under way may make it needless
    }
    // By what is configured now; an IKE SA whose connection is gone lives on as it is.
    const ConnectionPtr known = connections_.find(old.connection->name);
    const ConnectionPtr rules = known ? known : old.connection;
    Sa* fresh = nullptr;
    for (const ChildRule& rule : rules->children) {
        if (!has_child(old, rule.name)) {
            continue;
        }
        if (fresh == nullptr) {
            fresh = &adopt(ike::initiate(context, rules, rule, old.local, old.remote));
        } else if (fresh->state != State::dead) {
            fresh->waiting.emplace_back(new_offer(context, *fresh, rule, nullptr, true));
        }
    }
    if (fresh != nullptr) {
        fresh->reauth.old = old.own_spi();
        old.reauth.fresh = fresh->own_spi();
        old.reauth.begin_at = Instant::max();
        old.reauth.cause = cause;
    }
}

// ---- what the event that was handled means for the two

void Endpoint::follow_reauthentications(Context& context) {
    for (const IkeSpi spi : std::vector(touched_)) {
        const auto found = sas_.find(spi);
        if (found == sas_.end()) {
            continue;
        }
        const Reauthentication reauth = found->second->reauth;
        if (reauth.fresh) {
            settle_reauthentication(context, spi, *reauth.fresh);
        } else if (reauth.old) {
            settle_reauthentication(context, *reauth.old, spi);
        }
    }
}

void Endpoint::settle_reauthentication(Context& context, IkeSpi old_spi, IkeSpi fresh_spi) {
    Sa* const old = find(old_spi);
    Sa* const fresh = find(fresh_spi);
    if (over(old)) {
        if (old != nullptr) {
            old->reauth.fresh.reset();
        }
        if (fresh != nullptr) {
            stand_alone(*fresh);
            if (!over(fresh)) {
                take_turns(context, *fresh);
            }
        }
    } else if (over(fresh)) {
        on_reauthentication_failed(context, *old, fresh_spi);
    } else if (old->state == State::established && ready(*fresh) && quiet(*old)) {
        hand_over_to_fresh(context, *old, *fresh);
    }
    if (old != nullptr && old->state == State::replaced && old->reauth.fresh && !over(fresh) && quiet(*fresh)) {
        finish_reauthentication(context, *old, *fresh);
    }
}

void Endpoint::hand_over_to_fresh(Context& context, Sa& old, Sa& fresh) {
    if (const ChildSa* child = lacking(old, fresh)) {
        report(context, fresh, Report::Kind::failed,
               {"reauth-lacks-child", fmt::format("{} does not make child {} anew, which the IKE SA before carries",
                                                  peer_text(fresh), child->spec.child)});
        close(context, fresh);
        on_reauthentication_failed(context, old, fresh.own_spi());
        return;
    }
    for (ChildSa& child : fresh.children) {
        const bool alone =
            std::ranges::none_of(old.children, [&](const ChildSa& before) { return is_next(child, before); });
        if (waits_for_turn(child) && alone) {
            take_turn(context, fresh, child);  // it is for other packets than before
        }
    }
    retire_into(context, old, fresh);
    take_turns(context, fresh);
    fresh.watch = old.watch;
    fresh.watch.asked = false;
    old.rekey_at = Instant::max();
    old.we_replace = true;
    become(context, old, State::replaced);
    old.close_at = context.now + kDeletePatience;
}

void Endpoint::finish_reauthentication(Context& context, Sa& old, Sa& fresh) {
    report_turn(context, Report::Kind::reauthenticated, old, fresh.own_spi(), cause_of(old));
    old.reauth = {};
    fresh.reauth.old.reset();
    old.close_at = Instant::max();
    old.waiting.emplace_back(DeleteIke{});
    start_next(context, old);
}

void Endpoint::on_reauthentication_failed(Context& context, Sa& old, IkeSpi fresh) {
    report_turn(context, Report::Kind::reauth_failed, old, fresh, reason_of(context.actions, fresh));
    if (Sa* sa = find(fresh)) {
        stand_alone(*sa);
    }
    old.reauth.fresh.reset();
    if (old.state == State::replaced) {
        old.waiting.emplace_back(DeleteIke{});  // it has handed everything over
        start_next(context, old);
        return;
    }
    old.reauth.pause = old.connection->retry.after(old.reauth.pause);
    const bool again = old.reauth.cause != ReauthCause::wish || old.reauth.over_at != Instant::max();
    old.reauth.begin_at = again ? context.now + old.reauth.pause : Instant::max();
}

}  // namespace keysluice::ike
