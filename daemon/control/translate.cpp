#include "daemon/control/translate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "daemon/control/selectors.hpp"
#include "daemon/control/translation.hpp"

namespace keysluice::control {
// ---- installing

Result<xfrm::Transaction> Translator::install(ike::InstallChild action, const Offload& offload) {
    const ike::ChildSaSpec& spec = action.spec;
    const auto selectors = kernel_selectors(spec.local_selectors, spec.remote_selectors);
    if (!selectors) {
        return std::unexpected(selectors.error());
    }
    xfrm::Transaction transaction;
    Child& child = children_[spec.inbound];
    child.shared = hold(kind_of(spec));
    const xfrm::ReqId reqid = child.shared->reqid;
    transaction.add(given_to(offload, inbound_sa(spec, reqid, std::move(action.inbound))));
    if (action.outbound) {
        transaction.add(
            given_to(offload, outbound_sa(spec, reqid, *std::move(action.outbound), take_acquire_sequence(spec))));
    }
    put_inbound(transaction, child, spec, *selectors, offload);
    if (action.outbound) {
        put_outbound(transaction, child, spec, *selectors, offload);
        replace_outbound(transaction, child, spec.remote, action.replaces_outbound);
    }
    return transaction;
}

Result<xfrm::Transaction> Translator::install(ike::InstallOutbound action, const Offload& offload) {
    const ike::ChildSaSpec& spec = action.spec;
    const auto child = children_.find(spec.inbound);
    if (child == children_.end() || child->second.outbound) {
        return fail(
            "child-unknown",
            fmt::format("CHILD SA {:08x} has no inbound half that waits for the outbound one", spec.inbound.value));
    }
    const auto selectors = kernel_selectors(spec.local_selectors, spec.remote_selectors);
    if (!selectors) {
        return std::unexpected(selectors.error());
    }
    xfrm::Transaction transaction;
    const xfrm::ReqId reqid = child->second.shared->reqid;
    transaction.add(
        given_to(offload, outbound_sa(spec, reqid, std::move(action.outbound), take_acquire_sequence(spec))));
    put_outbound(transaction, child->second, spec, *selectors, offload);
    replace_outbound(transaction, child->second, spec.remote, action.replaces_outbound);
    return transaction;
}

void Translator::put_inbound(xfrm::Transaction& transaction, Child& child, const ike::ChildSaSpec& spec,
                             const std::vector<xfrm::Selector>& selectors, const Offload& offload) {
    using enum xfrm::Purpose;
    child.arrival = ++arrivals_;
    child.inbound = inbound_id(spec);
    const ChildName name{spec.connection, spec.child};
    const xfrm::ReqId reqid = child.shared->reqid;
    for (const xfrm::Selector& selector : selectors) {
        const xfrm::Selector arriving = reversed(selector);
        child.inbound_policies.push_back(
            {.child = name,
             .purpose = installed,
             .policy = given_to(offload, policy_of(spec, xfrm::Direction::in, arriving, reqid, installed))});
        if (spec.mode == ike::Mode::tunnel) {
            child.inbound_policies.push_back(
                {.child = name,
                 .purpose = installed,
                 .policy = policy_of(spec, xfrm::Direction::fwd, arriving, reqid, installed)});
        }
    }
    claim(transaction, child.inbound_policies);
}

void Translator::put_outbound(xfrm::Transaction& transaction, Child& child, const ike::ChildSaSpec& spec,
                              const std::vector<xfrm::Selector>& selectors, const Offload& offload) {
    child.outbound = outbound_id(spec);
    by_outbound_[*child.outbound] = spec.inbound;
    const xfrm::ReqId reqid = child.shared->reqid;
    using enum xfrm::Purpose;
    for (const xfrm::Selector& selector : selectors) {
        child.outbound_policies.push_back(
            {.child = {spec.connection, spec.child},
             .purpose = installed,
             .policy = given_to(offload, policy_of(spec, xfrm::Direction::out, selector, reqid, installed))});
    }
    claim(transaction, child.outbound_policies);
}

// ---- trapping

Result<xfrm::Transaction> Translator::trap(const ike::ChildSaSpec& spec) {
    const auto selectors = kernel_selectors(spec.local_selectors, spec.remote_selectors);
    if (!selectors) {
        return std::unexpected(selectors.error());
    }
    xfrm::Transaction transaction;
    Trap& trap = traps_[{spec.connection, spec.child}];
    const bool same_ends = trap.spec.local == spec.local && trap.spec.remote == spec.remote;
    if (trap.shared && same_ends && kind_of(trap.spec) == kind_of(spec)) {
        return transaction;
    }
    const Trap before =
        std::exchange(trap, {.spec = spec, .shared = hold(kind_of(spec)), .policies = {}, .acquire_sequence = 0});
    for (const xfrm::Selector& selector : *selectors) {
        trap.policies.push_back(
            {.child = {spec.connection, spec.child},
             .purpose = xfrm::Purpose::trap,
             .policy = policy_of(spec, xfrm::Direction::out, selector, trap.shared->reqid, xfrm::Purpose::trap)});
    }
    claim(transaction, trap.policies);
    if (before.shared) {
        drop(transaction, before);
    }
    traps_by_number_[trap.shared->reqid] = {spec.connection, spec.child};
    return transaction;
}

xfrm::Transaction Translator::untrap_all_but(const ChildNames& kept) {
    xfrm::Transaction transaction;
    std::erase_if(traps_, [&](const auto& each) {
        if (kept.contains(each.first)) {
            return false;
        }
        drop(transaction, each.second);
        return true;
    });
    return transaction;
}

void Translator::drop(xfrm::Transaction& transaction, const Trap& trap) {
    traps_by_number_.erase(trap.shared->reqid);
    release(transaction, trap.policies);
    let_go(trap.shared);
}

const ike::ChildSaSpec* Translator::wanted(xfrm::ReqId reqid, std::uint32_t acquire_sequence) {
    const auto found = traps_by_number_.find(reqid);
    if (found == traps_by_number_.end()) {
        return nullptr;
    }
    Trap& trap = traps_.at(found->second);
    trap.acquire_sequence = acquire_sequence;
    return &trap.spec;
}

std::uint32_t Translator::take_acquire_sequence(const ike::ChildSaSpec& spec) {
    const auto found = traps_.find({spec.connection, spec.child});
    return found == traps_.end() ? 0 : std::exchange(found->second.acquire_sequence, 0);
}

// ---- moving

xfrm::Transaction Translator::move(const ike::MoveChild& action) {
    xfrm::Transaction transaction;
    const auto found = children_.find(action.to.inbound);
    if (found == children_.end()) {
        return transaction;
    }
    Child& child = found->second;
    const SharedPtr shared = child.shared;
    // The successors of a CHILD SA are to have its number: where the first of a kind moves, the kind moves.
    if (Kind kind = kind_of(action.to); shared->kind != kind) {
        unlist(*shared);
        shared->kind = std::move(kind);
        shared_.try_emplace(shared->kind, shared);
    }
    const bool other_port = inbound_id(action.from) == inbound_id(action.to) &&
                            action.from.remote == action.to.remote && action.from.udp_ports && action.to.udp_ports;
    if (other_port) {
        move_ports(transaction, child, action);
        return transaction;
    }
    transaction.relocate(relocation_of(child.inbound, inbound_sa(action.to, shared->reqid, {})));
    child.inbound = inbound_id(action.to);
    if (child.outbound) {
        transaction.relocate(relocation_of(*child.outbound, outbound_sa(action.to, shared->reqid, {})));
        by_outbound_.erase(*child.outbound);
        child.outbound = outbound_id(action.to);
        by_outbound_[*child.outbound] = action.to.inbound;
    }
    move_policies(transaction, child.inbound_policies, action.to, shared->reqid);
    move_policies(transaction, child.outbound_policies, action.to, shared->reqid);
    if (child.replaced) {
        child.replaced->policies = moved(child.replaced->policies, action.to, shared->reqid);
    }
    return transaction;
}

xfrm::Transaction Translator::rebind(ike::EspSpi inbound, const xfrm::Offload& offload) const {
    xfrm::Transaction transaction;
    const auto found = children_.find(inbound);
    if (found == children_.end()) {
        return transaction;
    }
    xfrm::Offload of_half = offload;
    of_half.inbound = true;
    transaction.rebind({.id = found->second.inbound, .offload = of_half});
    if (const std::optional<xfrm::SaId>& outbound = found->second.outbound) {
        of_half.inbound = false;
        transaction.rebind({.id = *outbound, .offload = of_half});
    }
    return transaction;
}

/// The same SAs to the kernel, which takes other ports in an update.
void Translator::move_ports(xfrm::Transaction& transaction, const Child& child, const ike::MoveChild& action) {
    const xfrm::ReqId reqid = child.shared->reqid;
    const auto no_keys = [&] { return keys_of_zeros(action.to.suite); };
    transaction.move(inbound_sa(action.from, reqid, no_keys()), inbound_sa(action.to, reqid, no_keys()));
    if (child.outbound) {
        transaction.move(outbound_sa(action.from, reqid, no_keys()), outbound_sa(action.to, reqid, no_keys()));
    }
}

/// They have outer addresses in their templates.
Translator::Policies Translator::moved(Policies policies, const ike::ChildSaSpec& to, xfrm::ReqId reqid) {
    for (ChildPolicy& each : policies) {
        each.policy = policy_of(to, each.policy.direction, each.policy.selector, reqid, each.purpose);
    }
    return policies;
}

void Translator::move_policies(xfrm::Transaction& transaction, Policies& policies, const ike::ChildSaSpec& to,
                               xfrm::ReqId reqid) {
    const Policies before = std::exchange(policies, moved(policies, to, reqid));
    claim(transaction, policies);
    release(transaction, before);
}

// ---- removing

xfrm::Transaction Translator::remove(const ike::RemoveChild& action) {
    xfrm::Transaction transaction;
    const auto found = children_.find(action.spec.inbound);
    if (found == children_.end()) {
        return transaction;
    }
    Child& child = found->second;
    drop_outbound(transaction, child);
    transaction.remove(child.inbound);
    release(transaction, child.inbound_policies);
    let_go(child.shared);
    children_.erase(found);
    return transaction;
}

xfrm::Transaction Translator::remove(const ike::RemoveOutbound& action) {
    xfrm::Transaction transaction;
    if (const auto found = children_.find(action.spec.inbound); found != children_.end()) {
        drop_outbound(transaction, found->second);
    }
    return transaction;
}

void Translator::drop_outbound(xfrm::Transaction& transaction, Child& child) {
    if (!child.outbound) {
        return;
    }
    // The SA before the policies: a packet is dropped rather than sent in the clear.
    transaction.remove(*child.outbound);
    by_outbound_.erase(*child.outbound);
    child.outbound.reset();
    release(transaction, std::exchange(child.outbound_policies, {}));
}

void Translator::replace_outbound(xfrm::Transaction& transaction, Child& child, const IpAddress& remote,
                                  std::optional<ike::EspSpi> old) {
    if (!old) {
        return;
    }
    const auto found = by_outbound_.find({.destination = remote, .spi = {old->value}});
    if (found == by_outbound_.end()) {
        return;
    }
    // A packet that is on its way through the kernel with the old SA would be refused (EINVAL, XfrmOutStateInvalid)
    // if that were deleted now: it goes with its inbound half, once that has lingered. Other packets take the newer
    // SA, but a kernel from 6.13 on remembers at the policy which SA it used. The policy put anew makes it look
    // again.
    for (const ChildPolicy& policy : child.outbound_policies) {
        for (const xfrm::Policy& placed : listed_.place(policy)) {
            const xfrm::Policy& in_force = claims_.at(placed.id()).back().policy;
            transaction.replace(in_force, in_force);
        }
    }
    Child& owner = children_.at(found->second);
    child.replaced = {.owner = found->second, .policies = std::exchange(owner.outbound_policies, {})};
    release(transaction, child.replaced->policies);
}

void Translator::give_back(const Replaced& replaced) {
    const auto owner = children_.find(replaced.owner);
    if (owner == children_.end() || !owner->second.outbound_policies.empty()) {
        return;
    }
    owner->second.outbound_policies = replaced.policies;
    xfrm::Transaction in_place;
    claim(in_place, replaced.policies);
}

xfrm::Transaction Translator::refused(ike::EspSpi inbound, const Error& why) {
    const auto found = children_.find(inbound);
    if (found == children_.end()) {
        return {};
    }
    Child child = std::move(found->second);
    children_.erase(found);
    std::vector<xfrm::SaId> sas{child.inbound};
    Policies policies = std::move(child.inbound_policies);
    forget_outbound(child, sas, policies);
    xfrm::Transaction mended = mend(sas, policies, why);
    let_go(child.shared);
    return mended;
}

xfrm::Transaction Translator::refused_outbound(ike::EspSpi inbound, const Error& why) {
    const auto found = children_.find(inbound);
    if (found == children_.end()) {
        return {};
    }
    std::vector<xfrm::SaId> sas;
    Policies policies;
    forget_outbound(found->second, sas, policies);
    return mend(sas, policies, why);
}

void Translator::forget_outbound(Child& child, std::vector<xfrm::SaId>& sas, Policies& policies) {
    if (const auto outbound = std::exchange(child.outbound, {})) {
        by_outbound_.erase(*outbound);
        sas.push_back(*outbound);
    }
    if (const auto replaced = std::exchange(child.replaced, {})) {
        give_back(*replaced);
    }
    const auto given_up = std::exchange(child.outbound_policies, {});
    policies.insert(policies.end(), given_up.begin(), given_up.end());
}

xfrm::Transaction Translator::mend(const std::vector<xfrm::SaId>& sas, const Policies& policies, const Error& why) {
    // The kernel took back itself what it did …
    xfrm::Transaction taken_back;
    release(taken_back, policies);
    // … and with it perhaps a policy that somebody else has come to hold meanwhile. What exists already may be
    // another's; with other failures nobody knows how far the kernel came.
    const bool unsure = why.reason != "xfrm-exists";
    xfrm::Transaction mended;
    for (const xfrm::SaId& sa : sas) {
        if (unsure) {
            mended.remove(sa);
        }
    }
    for (const ChildPolicy& policy : policies) {
        for (const xfrm::Policy& placed : listed_.place(policy)) {
            if (const auto claims = claims_.find(placed.id()); claims != claims_.end()) {
                mended.replace(claims->second.back().policy, {});
            } else if (unsure) {
                mended.remove(placed.id());
            }
        }
    }
    return mended;
}

ike::EspSpi Translator::child_of(const xfrm::SaId& id) const {
    if (const auto outbound = by_outbound_.find(id); outbound != by_outbound_.end()) {
        return outbound->second;
    }
    const auto child = children_.find(ike::EspSpi{id.spi.value});
    return child != children_.end() && child->second.inbound == id ? child->first : ike::EspSpi{};
}

Translator::Account Translator::account() const {
    Account all;
    for (const auto& [inbound, child] : children_) {
        all.emplace_back(child.inbound, inbound);
        if (child.outbound) {
            all.emplace_back(*child.outbound, inbound);
        }
    }
    return all;
}

std::vector<xfrm::PolicyId> Translator::policies() const {
    const auto ids = std::views::keys(claims_);
    return {ids.begin(), ids.end()};
}

xfrm::Transaction Translator::put_back(const std::vector<xfrm::PolicyId>& lost) const {
    xfrm::Transaction transaction;
    for (const xfrm::PolicyId& id : lost) {
        if (const auto claims = claims_.find(id); claims != claims_.end()) {
            transaction.replace(claims->second.back().policy, {});
        }
    }
    return transaction;
}

std::vector<ChildPolicy> Translator::child_policies() const {
    Policies all;
    const auto append = [&all](const Policies& more) { all.insert(all.end(), more.begin(), more.end()); };
    for (const auto& [name, trap] : traps_) {
        append(trap.policies);
    }
    std::map<std::uint64_t, const Child*> by_arrival;
    for (const auto& [inbound, child] : children_) {
        by_arrival.emplace(child.arrival, &child);
    }
    for (const auto& [arrival, child] : by_arrival) {
        append(child->inbound_policies);
        append(child->outbound_policies);
    }
    return all;
}

xfrm::Transaction Translator::follow(const ListedChildren& listed, std::span<const ChildPolicy> placed) {
    const Policies all = child_policies();
    const bool moves =
        std::ranges::any_of(all, [&](const ChildPolicy& each) { return listed_.place(each) != listed.place(each); });
    listed_ = listed;
    waits_ = false;
    std::set<xfrm::PolicyId> left = std::exchange(waiting_, {});
    const auto before = claims_;
    if (moves) {
        claim_anew(all);
    }
    xfrm::Transaction moved;
    for (const auto& [id, claims] : claims_) {
        const xfrm::Policy& policy = claims.back().policy;
        const auto was = before.find(id);
        if (was == before.end() || was->second.back().policy != policy || left.contains(id)) {
            moved.replace(policy, policy);
        }
    }
    for (const auto& [id, claims] : before) {
        left.insert(id);
    }
    for (const ChildPolicy& each : placed) {
        for (const xfrm::Policy& policy : listed_.place(each)) {
            left.insert(policy.id());
        }
    }
    for (const xfrm::PolicyId& id : left) {
        if (!claims_.contains(id)) {
            moved.remove(id);
        }
    }
    return moved;
}

/// Which policy of those for the same packets is in force depends on who came later.
void Translator::claim_anew(const Policies& all) {
    claims_.clear();
    xfrm::Transaction in_place;
    for (const auto& [reqid, orphans] : orphans_) {
        for (const xfrm::Policy& policy : orphans.policies) {
            claim(in_place, policy);
        }
    }
    claim(in_place, all);
}

xfrm::Transaction Translator::clear() {
    xfrm::Transaction transaction;
    for (const auto& [inbound, child] : children_) {
        if (child.outbound) {
            transaction.remove(*child.outbound);
        }
        transaction.remove(child.inbound);
    }
    for (const auto& [reqid, orphans] : orphans_) {
        for (const xfrm::SaId& sa : orphans.sas) {
            transaction.remove(sa);
        }
    }
    for (const auto& [id, claims] : claims_) {
        transaction.remove(id);
    }
    const bool waits = waits_;
    *this = Translator(std::move(listed_));
    waits_ = waits;
    return transaction;
}

// ---- what CHILD SAs share

bool Translator::alike(const xfrm::Policy& a, const xfrm::Policy& b) {
    return a.templates == b.templates && a.offload_device == b.offload_device;
}

Translator::Kind Translator::kind_of(const ike::ChildSaSpec& spec) {
    if (spec.mode == ike::Mode::tunnel && spec.several_gateways) {
        const IpAddress any = IpAddress::lowest(spec.remote.family());
        return {spec.connection,       spec.child,       spec.mode, any, any, {}, spec.local_selectors,
                spec.remote_selectors, spec.interface_id};
    }
    return {spec.connection,
            spec.child,
            spec.mode,
            spec.local,
            spec.remote,
            spec.udp_ports,
            spec.local_selectors,
            spec.remote_selectors,
            spec.interface_id};
}

Translator::SharedPtr Translator::hold(const Kind& kind, xfrm::ReqId number) {
    SharedPtr& shared = shared_[kind];
    if (!shared && number.value != 0) {
        numbers_.insert(number.value - kReqIdMark);
        shared = std::make_shared<Shared>(Shared{.kind = kind, .reqid = number, .holders = 0});
    } else if (!shared) {
        do {
            last_number_ = last_number_ % (kReqIdCount - 1) + 1;
        } while (!numbers_.insert(last_number_).second);
        shared = std::make_shared<Shared>(Shared{.kind = kind, .reqid = {kReqIdMark + last_number_}, .holders = 0});
    }
    ++shared->holders;
    return shared;
}

void Translator::let_go(const SharedPtr& shared) {
    if (--shared->holders == 0) {
        numbers_.erase(shared->reqid.value - kReqIdMark);
        unlist(*shared);
    }
}

/// What has moved to where another one was already is not listed.
void Translator::unlist(const Shared& shared) {
    if (const auto found = shared_.find(shared.kind); found != shared_.end() && found->second.get() == &shared) {
        shared_.erase(found);
    }
}

void Translator::claim(xfrm::Transaction& transaction, const Policies& policies) {
    for (const ChildPolicy& each : policies) {
        for (const xfrm::Policy& placed : listed_.place(each)) {
            claim(transaction, placed);
        }
    }
}

void Translator::release(xfrm::Transaction& transaction, const Policies& policies) {
    for (const ChildPolicy& each : policies) {
        for (const xfrm::Policy& placed : listed_.place(each)) {
            release(transaction, placed);
        }
    }
}

void Translator::claim(xfrm::Transaction& transaction, const xfrm::Policy& policy) {
    std::vector<Claim>& claims = claims_[policy.id()];
    const auto same = std::ranges::find_if(claims, [&](const Claim& each) { return alike(each.policy, policy); });
    if (same != claims.end()) {
        ++same->holders;
        return;
    }
    // A trap stays behind what is installed, also where it comes later; the latest of a kind is in force.
    const auto better =
        std::ranges::find_if(claims, [&](const Claim& each) { return each.policy.priority < policy.priority; });
    // Where nothing of ours is, another program's policy is not pushed aside but a failure.
    if (waits(policy)) {
        waiting_.insert(policy.id());
    } else if (claims.empty()) {
        transaction.add(policy);
    } else if (better == claims.end()) {
        transaction.replace(policy, claims.back().policy);
    }
    claims.insert(better, {policy, 1});
}

void Translator::release(xfrm::Transaction& transaction, const xfrm::Policy& policy) {
    const auto found = claims_.find(policy.id());
    std::vector<Claim>& claims = found->second;
    const auto same = std::ranges::find_if(claims, [&](const Claim& each) { return alike(each.policy, policy); });
    if (--same->holders > 0) {
        return;
    }
    const bool in_force = same == std::prev(claims.end());
    claims.erase(same);
    if (claims.empty()) {
        transaction.remove(policy.id());
        claims_.erase(found);
    } else if (in_force && !waits(policy)) {
        transaction.replace(claims.back().policy, policy);
    }
}

bool Translator::waits(const xfrm::Policy& placed) const {
    return waits_ && placed.selector.user == kUserOfChild;
}

}  // namespace keysluice::control
