#pragma once

#include <string>

#include "base/result.hpp"

namespace keysluice::control {

/// The status document of the service with this runtime directory. Blocks for at most five seconds.
/// Error: `status-unreachable`.
[[nodiscard]] Result<std::string> fetch_status(const std::string& runtime_directory);

/// Prints it, for a person or as JSON. Returns the exit status of the program.
[[nodiscard]] int print_status(const std::string& runtime_directory, bool as_json);

}  // namespace keysluice::control
