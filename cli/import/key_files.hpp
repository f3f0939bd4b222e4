#pragma once

#include <filesystem>
#include <vector>

#include "cli/import/draft.hpp"

namespace keysluice::importer {

/// Writes all of them or none, with mode 0600, into a folder that is made where there is none. None may be there
/// already. Error: `file-unwritable`.
[[nodiscard]] Result<void> write_key_files(const std::filesystem::path& folder, const std::vector<KeyFile>& keys);

}  // namespace keysluice::importer
