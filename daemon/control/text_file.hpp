#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.hpp"

namespace keysluice::control {

/// So that a rename or a removal in it outlives a loss of power.
void flush_folder(const std::filesystem::path& folder);

/// A file that everybody may read, in a folder that is made where there is none: it is there as a whole or as it was,
/// whenever the machine stops. Where there is one, the new one has its rights, from root also its owner, and its
/// place if the path is a link. What is no file, as /dev/stdout can be, is written to. Blocks. Error:
/// `file-unwritable`, also of a link that leads nowhere.
[[nodiscard]] Result<void> write_text_file(const std::filesystem::path& path, std::string_view text);

/// `file-unwritable`, with errno.
[[nodiscard]] Error unwritable(const std::filesystem::path& path, std::string_view step);

}  // namespace keysluice::control
