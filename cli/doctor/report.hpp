#pragma once

#include <string>

#include "cli/doctor/finding.hpp"
#include "cli/style.hpp"

namespace keysluice::doctor {

/// Those that matter most come first; else in the order that they have.
[[nodiscard]] Findings sorted(const Findings& findings);

/// Lines for a terminal, the numbers first.
[[nodiscard]] std::string to_text(const Findings& findings, const cli::Style& style);

/// `{"version": 1, "verdict": …, "findings": [{"name", "verdict", "found", "remedy", "reason"}]}`
[[nodiscard]] std::string to_json(const Findings& findings);

/// Whether something is wrong.
[[nodiscard]] bool any_wrong(const Findings& findings);

}  // namespace keysluice::doctor
