#pragma once

#include <algorithm>
#include <vector>

#include "ike/proposal.hpp"

/// Inside ike/: what reading, offering and choosing proposals have in common.
namespace keysluice::ike {

using Transforms = std::vector<wire::Transform>;

/// std::ranges::contains of newer libraries.
[[nodiscard]] constexpr bool contains(const auto& range, const auto& value) {
    return std::ranges::find(range, value) != std::ranges::end(range);
}

[[nodiscard]] inline Transforms of_type(const Transforms& transforms, wire::TransformType type) {
    Transforms found;
    std::ranges::copy_if(transforms, std::back_inserter(found),
                         [type](const wire::Transform& transform) { return transform.type == type; });
    return found;
}

[[nodiscard]] inline wire::Transform none_of(wire::TransformType type) {
    return {.type = type};
}

/// A cipher that needs no integrity transform beside it. RFC 7296 section 3.3 calls it a combined-mode cipher.
[[nodiscard]] bool is_combined_mode(const wire::Transform& transform);

/// The rule as one or two that can each be a proposal: combined-mode ciphers and classic ones apart.
[[nodiscard]] std::vector<ProposalRule> variants_of(const ProposalRule& rule);

/// Encryption, integrity, PRF, key exchange, ESN: the order in which strongSwan writes them.
[[nodiscard]] Transforms transforms_of(const IkeSuite& suite);
[[nodiscard]] Transforms transforms_of(const EspSuite& suite);

}  // namespace keysluice::ike
