#pragma once

#include <string>

#include "daemon/control/policy_checks.hpp"
#include "daemon/control/policy_enforcement.hpp"

namespace keysluice::control {

// The documents of `keysluice policy`, each with the version of its schema; keysluice-policy(7) describes them.

/// `holdings`: of the kernel, for what it has used and how much it holds. `discarded`: packets by place, or nothing
/// where they are not counted.
[[nodiscard]] std::string policies_json(std::string_view which, const CommittedPolicies& policies,
                                        const KernelHoldings& holdings, const std::vector<std::uint64_t>& discarded);
[[nodiscard]] std::string answer_json(std::string_view which, const std::vector<AnswerPiece>& answer,
                                      const std::vector<policy::Policy>& rules);

/// What came of a commit, or would.
struct PolicyChange {
    std::size_t policies = 0;
    std::vector<std::string> added;
    std::vector<std::string> removed;
    std::vector<std::string> changed;
    Differences kernel;
    Diagnostics warnings;
    std::optional<std::uint64_t> returns_at;
    bool enforced = false;  ///< or the kernel has nothing of them
};
[[nodiscard]] std::string change_json(const PolicyChange& change);
[[nodiscard]] std::string verification_json(const Differences& differences, bool enforced);
[[nodiscard]] std::string keys_json(const std::vector<NamedKeys::Listed>& keys);
/// Files that were written.
[[nodiscard]] std::string files_json(const std::vector<std::string>& files);
/// "{"version": 1, "enforced": true}"
[[nodiscard]] std::string enforced_json(bool enforced);

}  // namespace keysluice::control
