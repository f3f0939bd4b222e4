#pragma once

#include <memory>
#include <string>

#include "cli/import/source.hpp"

namespace keysluice::importer {

/// This machine.
[[nodiscard]] std::unique_ptr<Surroundings> this_host();

/// A regular file of at most kLargestSource. Error: `file-unreadable`, `import-too-large`.
[[nodiscard]] Result<SourcePtr> load_source(const std::string& path);

}  // namespace keysluice::importer
