#pragma once

#include <string_view>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace keysluice::bus {

/// A memory file that is written once and then given away. All fail with "memory-file-failed".
class DumpFile {
   public:
    [[nodiscard]] static Result<DumpFile> create();
    [[nodiscard]] Result<void> append(std::string_view text);
    /// At its beginning; nobody can change it any more.
    [[nodiscard]] Result<UniqueFd> seal() &&;

   private:
    explicit DumpFile(UniqueFd file) : file_(std::move(file)) {}
    UniqueFd file_;
};

}  // namespace keysluice::bus
