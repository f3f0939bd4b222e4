#pragma once

#include <expected>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/control/diagnostic.hpp"

namespace keysluice::control {

/// A whole file of at most kLargestFile bytes.
/// Errors: `file-unreadable`, `file-is-directory`, `file-too-large`.
[[nodiscard]] std::expected<std::string, Diagnostic> load_text(const std::filesystem::path& file);

/// The *.toml in the folder of that name beside `file`, sorted; none where there is no such folder. Hidden files, an
/// editor's as a rule, are left out. Error: `file-unreadable`.
[[nodiscard]] std::expected<std::vector<std::filesystem::path>, Diagnostic> find_fragments(
    const std::filesystem::path& file, std::string_view folder = "conf.d");

}  // namespace keysluice::control
