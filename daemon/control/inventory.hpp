#pragma once

#include <map>
#include <vector>

#include "xfrm/policy.hpp"
#include "xfrm/sa.hpp"

namespace keysluice::control {

/// What is in the kernel of this program, whichever process put it there.
struct Inventory {
    std::map<xfrm::SaId, xfrm::SaState> sas;  ///< without placeholders, which go by themselves
    std::vector<xfrm::Policy> policies;

    /// Null where it is not there.
    [[nodiscard]] const xfrm::SaState* find(const xfrm::SaId& id) const {
        const auto found = sas.find(id);
        return found == sas.end() ? nullptr : &found->second;
    }
};

}  // namespace keysluice::control
