#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret_buffer.hpp"
#include "base/unique_fd.hpp"

namespace keysluice::control {

/// The most that a file with a secret may hold.
inline constexpr std::size_t kMostSecretOctets = 4096;

// `path` is for sentences; where a file is empty, errno says why.

/// Whether others than a file's owner have none of the rights `others`, such as 0077. A pipe is nobody else's.
/// Errors: `key-unreadable`, also where it is neither a regular file nor a pipe; `key-open-to-others`.
[[nodiscard]] Result<void> check_private(const UniqueFd& file, const std::string& path, mode_t others);
/// What an open file has from here on. Errors: `key-unreadable`, `key-malformed` (it is more).
[[nodiscard]] Result<SecretBuffer> read_secret(int file, const std::string& path);
/// Both. The second one opens it, whoever owns it.
[[nodiscard]] Result<SecretBuffer> read_private_file(const UniqueFd& file, const std::string& path, mode_t others);
[[nodiscard]] Result<SecretBuffer> read_private_file(const std::string& path, mode_t others);

/// Fills an open file and has it on the disk. Error: `file-unwritable`.
[[nodiscard]] Result<void> write_private_file(const UniqueFd& file, const std::filesystem::path& path, Bytes content);

}  // namespace keysluice::control
