#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret_buffer.hpp"
#include "base/unique_fd.hpp"

namespace keysluice::control {

/// A folder of files that its owner alone may read, open. `file`: a name without a path.
class KeyFolder {
   public:
    /// Where there is none. Error: `file-unwritable`.
    [[nodiscard]] static Result<void> make(const std::filesystem::path& path);
    /// Errors: `key-not-found` where there is none, `key-unreadable`, `key-open-to-others`.
    [[nodiscard]] static Result<KeyFolder> open(const std::filesystem::path& path);
    /// For one process at a time: others wait. Also error: `file-unwritable`.
    [[nodiscard]] static Result<KeyFolder> open_to_write(const std::filesystem::path& path);

    /// Errors: `key-not-found`, `key-open-to-others`, `key-unreadable`, `key-malformed`.
    [[nodiscard]] Result<SecretBuffer> read(const std::string& file) const;
    /// The whole of it or nothing, in place of what there was. Error: `file-unwritable`.
    [[nodiscard]] Result<void> write(const std::string& file, Bytes content);
    /// `as` is another name of `file` from now on, in place of what there was. Error: `file-unwritable`.
    [[nodiscard]] Result<void> keep_as(const std::string& file, const std::string& as);
    /// Error: `file-unwritable`.
    [[nodiscard]] Result<void> remove(const std::string& file);

   private:
    KeyFolder(UniqueFd folder, std::filesystem::path path) : folder_(std::move(folder)), path_(std::move(path)) {}
    [[nodiscard]] Result<void> check();
    [[nodiscard]] Result<void> fill(const UniqueFd& file, const std::string& name, Bytes content) const;

    UniqueFd folder_;
    std::filesystem::path path_;
    uid_t owner_ = 0;
    gid_t group_ = 0;
};

}  // namespace keysluice::control
