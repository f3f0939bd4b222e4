#include "ike/child_install.hpp"

#include <cassert>
#include <utility>

namespace keysluice::ike {
namespace {

ChildDirectionKeys duplicate(const ChildDirectionKeys& keys) {
    return {.encryption = keysluice::duplicate(keys.encryption), .integrity = keysluice::duplicate(keys.integrity)};
}

std::optional<EspSpi> outbound_of_replaced(const Sa& sa, const ChildSa& child) {
    const ChildSa* old = child.replaces ? sa.find_child(*child.replaces) : nullptr;
    return old == nullptr ? std::nullopt : std::optional(old->spec.outbound);
}

}  // namespace

std::optional<Action> unconfirmed(const Sa& sa, const ChildSa& child) {
    switch (child.state) {
        case ChildState::installing: {
            assert(child.inbound_keys);
            InstallChild install{.spec = child.spec,
                                 .inbound = duplicate(*child.inbound_keys),
                                 .outbound = {},
                                 .replaces_outbound = {}};
            if (child.complete) {
                install.outbound = duplicate(*child.outbound_keys);
                install.replaces_outbound = outbound_of_replaced(sa, child);
            }
            return install;
        }
        case ChildState::installed:
            if (!child.outbound_keys) {
                return std::nullopt;
            }
            return InstallOutbound{.spec = child.spec,
                                   .outbound = duplicate(*child.outbound_keys),
                                   .replaces_outbound = outbound_of_replaced(sa, child)};
        case ChildState::inbound_only:
        case ChildState::deleting:
        case ChildState::lingering:
            return std::nullopt;
    }
    return std::nullopt;
}

void ask_kernel(Context& context, const Sa& sa, const ChildSa& child) {
    auto action = unconfirmed(sa, child);
    assert(action);
    context.actions.push_back(*std::move(action));
}

}  // namespace keysluice::ike
