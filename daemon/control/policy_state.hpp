#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>

#include "daemon/control/policy_files.hpp"

namespace keysluice::control {

/// The policies that hold, as they outlive process and boot.
struct CommittedPolicies {
    PolicySet set;
    bool enabled = false;
    /// Of the set before: seconds since 1970, by the wall clock, when it returns unless the commit is confirmed.
    std::optional<std::uint64_t> returns_at = {};
};

/// Of policies that `before` has under the same name and direction, priority and reqid stay, as far as the order
/// allows; the others get free ones.
void number_policies(PolicySet& fresh, const PolicySet& before);

/// A text that begins as write_policies() has it, with the numbers behind it.
[[nodiscard]] std::string write_committed(const CommittedPolicies& committed);
[[nodiscard]] std::expected<CommittedPolicies, Diagnostics> parse_committed(std::string_view text,
                                                                            const std::string& name);

/// In `[daemon] state_directory`.
inline constexpr std::string_view kCommittedFile = "policies.toml";
/// Nothing where there is no such file. Blocks.
[[nodiscard]] std::expected<std::optional<CommittedPolicies>, Diagnostics> load_committed(
    const std::filesystem::path& file);

/// Of manual SAs: the others' are IKE's (kReqIdMark).
inline constexpr std::uint32_t kManualReqIdMark = 0x4c000000;
[[nodiscard]] inline bool is_manual(xfrm::ReqId reqid) {
    return (reqid.value & 0xff000000U) == kManualReqIdMark;
}

}  // namespace keysluice::control
