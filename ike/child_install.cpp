#include "ike/child_install.hpp"

#include <cassert>
#include <utility>

namespace keysluice::ike {
namespace {

ChildDirectionKeys duplicate(const ChildDirectionKeys& keys) {
    return {.encryption = keysluice::duplicate(keys.encryption), .integrity = keysluice::duplicate(keys.integrity)};
}

}  // namespace

std::optional<Action> unconfirmed(const ChildSa& child) {
    switch (child.state) {
        case ChildState::installing: {
            assert(child.inbound_keys);
            InstallChild install{.spec = child.spec,
                                 .inbound = duplicate(*child.inbound_keys),
                                 .outbound = {},
                                 .replaces_outbound = {}};
            if (child.complete) {
                install.outbound = duplicate(*child.outbound_keys);
                install.replaces_outbound = child.takes_over;
            }
            return install;
        }
        case ChildState::installed:
            if (!child.outbound_keys) {
                return std::nullopt;
            }
            return InstallOutbound{.spec = child.spec,
                                   .outbound = duplicate(*child.outbound_keys),
                                   .replaces_outbound = child.takes_over};
        case ChildState::inbound_only:
        case ChildState::deleting:
        case ChildState::lingering:
            return std::nullopt;
    }
    return std::nullopt;
}

void ask_kernel(Context& context, Sa& sa, ChildSa& child) {
    child.sends = child.state == ChildState::installed || child.complete;
    ChildSa* old = child.sends && child.replaces ? sa.find_child(*child.replaces) : nullptr;
    if (old != nullptr && old->sends) {
        child.takes_over = old->spec.outbound;
        old->sends = false;
    }
    auto action = unconfirmed(child);
    assert(action);
    context.actions.push_back(*std::move(action));
}

void give_back(Sa& sa, const ChildSa& refused) {
    if (ChildSa* old = refused.takes_over && refused.replaces ? sa.find_child(*refused.replaces) : nullptr) {
        old->sends = true;
    }
}

}  // namespace keysluice::ike
