#include "ike/twins.hpp"

#include <algorithm>

#include "ike/child_answer.hpp"
#include "ike/create_child.hpp"
#include "ike/turns.hpp"

namespace keysluice::ike {
namespace {

/// The SPI that the initiator of its exchange gave it: at both ends the same.
EspSpi name_of(const ChildSa& child) {
    return child.ours ? child.spec.inbound : child.spec.outbound;
}

}  // namespace

bool carries(const ChildSa& child) {
    return child.state == ChildState::installed && child.sends && !child.outbound_keys;
}

bool covers(const ChildSa& child, const ChildSa& other) {
    return child.spec.child == other.spec.child && child.spec.mode == other.spec.mode &&
           covers(child.spec.local_selectors, other.spec.local_selectors) &&
           covers(child.spec.remote_selectors, other.spec.remote_selectors);
}

bool quiet(const Sa& sa) {
    const bool settled = std::ranges::all_of(
        sa.children, [](const ChildSa& child) { return carries(child) || child.state == ChildState::lingering; });
    return settled && !sa.current && sa.waiting.empty() && !sa.awaited && !sa.delayed;
}

const ChildSa* twin_of(const Sa& in, const ChildSa& child) {
    const ChildSa* twin = nullptr;
    for (const ChildSa& each : in.children) {
        if (&each != &child && carries(each) && covers(each, child) &&
            (twin == nullptr || name_of(*twin) < name_of(each))) {
            twin = &each;
        }
    }
    return twin;
}

bool stands_for(const Sa& sa, const Sa& other) {
    return std::ranges::all_of(other.children, [&](const ChildSa& child) {
        return child.state == ChildState::lingering || twin_of(sa, child) != nullptr ||
               std::ranges::any_of(sa.children, [&](const ChildSa& next) { return is_next(next, child); });
    });
}

Duration look_again_after(const Settings& settings) {
    return settings.patience_with_twins / 2;
}

bool outlives(const Sa& sa, const Sa& other) {
    return other.initiator_spi < sa.initiator_spi;
}

void retire_into(Context& context, Sa& from, Sa& to) {
    for (ChildSa& child : from.children) {
        if (child.state == ChildState::installing) {
            context.actions.emplace_back(RemoveChild{child.spec});
            continue;
        }
        ChildSa* const next = next_of(to, child);
        if (next != nullptr && child.state != ChildState::lingering) {
            follow_turn(context, to, *next, std::move(child));
            continue;
        }
        if (child.state != ChildState::lingering) {
            report(context, from, Report::Kind::child_closed, {}, child.spec.child);
            let_linger(context, child);
        }
        to.children.insert(to.children.begin(), std::move(child));  // the newest is last
    }
    from.children.clear();
}

bool yield_to_twin(Context& context, Sa& sa, Sa& survivor) {
    if (!quiet(sa) || !stands_for(survivor, sa)) {
        return false;
    }
    if (context.now > survivor.heard_at + look_again_after(context.settings)) {
        survivor.waiting.emplace_back(Liveness{});
        start_next(context, survivor);
        return false;
    }
    retire(context, sa, survivor);
    return true;
}

void retire(Context& context, Sa& sa, Sa& survivor) {
    retire_into(context, sa, survivor);
    sa.rekey_at = Instant::max();
    sa.we_replace = true;
    become(context, sa, State::replaced);
    sa.waiting.emplace_back(DeleteIke{});
    start_next(context, sa);
}

void close_twins(Context& context, Sa& sa) {
    for (ChildSa& child : sa.children) {
        const ChildSa* twin = child.ours && carries(child) ? twin_of(sa, child) : nullptr;
        const EspSpi inbound = child.spec.inbound;
        const bool rekeying = is_to_be_rekeyed(sa, inbound) || successor_of(sa, inbound) != nullptr;
        if (twin != nullptr && name_of(child) < name_of(*twin) && !rekeying) {
            context.actions.emplace_back(RemoveOutbound{child.spec});
            child.sends = false;
            child.state = ChildState::deleting;
            sa.waiting.emplace_back(DeleteChildren{{inbound}});
        }
    }
    start_next(context, sa);
}

bool has_twins(const Sa& sa) {
    return std::ranges::any_of(sa.children,
                               [&](const ChildSa& child) { return carries(child) && twin_of(sa, child) != nullptr; });
}

}  // namespace keysluice::ike
