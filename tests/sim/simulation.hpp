#pragma once

#include <cstdint>
#include <string>

namespace keysluice::ike::testing {

/// Plays one seed: two or three hosts, their kernels, and a network that loses, delays, duplicates and reorders,
/// while SAs are rekeyed, closed, and processes restart with and without their memory. Then the network mends,
/// everybody has to be up again, closes, and nothing may be left. Empty, or what went wrong; the same seed plays the
/// same way.
[[nodiscard]] std::string play(std::uint64_t seed, bool narrate);

}  // namespace keysluice::ike::testing
