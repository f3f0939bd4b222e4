#pragma once

#include <string>

namespace keysluice::control {

/// Asks the service with this runtime directory for its status and prints it, for a person or as JSON. Returns the exit
/// status of the program.
[[nodiscard]] int print_status(const std::string& runtime_directory, bool as_json);

}  // namespace keysluice::control
