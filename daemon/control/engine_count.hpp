#pragma once

#include <cstddef>
#include <string>

namespace keysluice::control {

/// Writes the number of engines, and of relays, into the file "engines" of the runtime directory: whoever starts them
/// reads it (units/start-engines). A failure is logged.
void announce_engines(const std::string& runtime_directory, std::size_t engines);

}  // namespace keysluice::control
