#pragma once

#include <expected>
#include <filesystem>
#include <string>
#include <string_view>

#include "daemon/control/policy_edits.hpp"
#include "daemon/control/policy_reader.hpp"

namespace keysluice::control {

/// The folder beside the configuration that has files of policies alone.
inline constexpr std::string_view kPolicyFolder = "policies.d";

/// The working set: what the configuration `file`, conf.d/*.toml and policies.d/*.toml say of policies, in this
/// order.
/// With `instead`, those files are as they say there, and may be new ones.
[[nodiscard]] std::expected<PolicySet, Diagnostics> read_policy_files(const std::filesystem::path& file,
                                                                      const std::vector<PolicyText>& instead = {});

/// The files that it reads.
[[nodiscard]] std::expected<std::vector<std::filesystem::path>, Diagnostic> policy_files(
    const std::filesystem::path& file);

/// One text; `name` stands for the file's name in the diagnostics.
[[nodiscard]] std::expected<PolicySet, Diagnostics> parse_policies(std::string_view text, const std::string& name);

/// The set as one text that reads as the same set.
[[nodiscard]] std::string write_policies(const PolicySet& set);

/// Appends [[title]] or, alone, [title].
void write_table(std::string& into, std::string_view title, const TomlTable& table, bool alone = false);

}  // namespace keysluice::control
