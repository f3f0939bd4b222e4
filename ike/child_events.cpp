#include "ike/child_events.hpp"

#include "ike/child_answer.hpp"
#include "ike/create_child.hpp"

namespace keysluice::ike {
namespace {

bool asks_for_successor(const Task& task, EspSpi inbound) {
    const auto* offer = std::get_if<ChildOffer>(&task);
    return offer != nullptr && offer->rekeys == inbound;
}

}  // namespace

void on_outbound_installed(Sa& sa, EspSpi inbound) {
    ChildSa& child = *sa.find_child(inbound);
    if (child.state == ChildState::installed) {
        child.outbound_keys.reset();
    }
}

bool on_child_lost(Context& context, Sa& sa, const ChildLost& event) {
    ChildSa& child = *sa.find_child(event.inbound);
    if (sa.state != State::established ||
        (child.state != ChildState::installed && child.state != ChildState::inbound_only)) {
        return false;
    }
    report(context, sa, Report::Kind::failed, event.why, child.spec.child);
    if (child.outbound_keys) {  // its outbound half was refused
        child.outbound_keys.reset();
        child.sends = false;
    }
    if ((sa.current && asks_for_successor(*sa.current, event.inbound)) ||
        successor_of(sa, event.inbound) != nullptr) {
        return false;
    }
    std::erase_if(sa.waiting, [&](const Task& task) { return asks_for_successor(task, event.inbound); });
    child.state = ChildState::deleting;
    sa.waiting.emplace_back(DeleteChildren{{event.inbound}});
    return true;
}

void on_child_spent(Context& context, Sa& sa, EspSpi inbound) {
    ChildSa& child = *sa.find_child(inbound);
    if (sa.state != State::established || child.state != ChildState::installed) {
        return;
    }
    rekey_child(context, sa, child);
    start_next(context, sa);
}

}  // namespace keysluice::ike
