#pragma once

#include <span>

#include "base/result.hpp"
#include "policy/region.hpp"

namespace keysluice::policy {

/// Which packets are asked about.
struct Question {
    Direction direction = Direction::out;
    Family family = Family::ipv4;
    Box packets = {};
};

/// Packets that have the same fate, for the same reasons.
struct Piece {
    Box packets = {};
    /// All policies that fit, in their order, by their places in the list: the first one counts.
    std::vector<std::size_t> matches;

    bool operator==(const Piece&) const = default;
};

/// As many as a person can read, and more.
inline constexpr std::size_t kMostPieces = 4096;

/// Cuts the packets that are asked about into the largest pieces of one outcome each, in the order of their numbers:
/// by protocol first, then local and remote address, local and remote port. Neighbours in one dimension are one piece
/// where they agree in all that follows.
///
/// Error: `test-too-wide`, where they are more than kMostPieces.
[[nodiscard]] Result<std::vector<Piece>> test(std::span<const Policy> policies, const Question& question);

}  // namespace keysluice::policy
