#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/target.hpp"

namespace keysluice::cli {

/// Why something is as it is.
struct Explanation {
    std::string about;        ///< "hq/net c1a2b3d4"
    std::string is;           ///< half a sentence: "the kernel does ESP"
    std::string because;      ///< a sentence; empty: it is as it should be
    std::string change;       ///< what would change it; empty: nothing needs to
    std::string reason = {};  ///< of keysluice-reasons(7); empty where there is none
};

/// Each connection without an IKE SA, each IKE SA, CHILD SA and TLS service of the target. `null_kernel`: nothing is
/// installed, whatever they say.
[[nodiscard]] std::vector<Explanation> explain(const Target& target, bool null_kernel = false);

}  // namespace keysluice::cli
