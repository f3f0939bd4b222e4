#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "daemon/control/diagnostic.hpp"

namespace keysluice::control {

/// Largest content, the newline that may follow it not counted.
inline constexpr std::size_t kLongestSecret = 256;

/// How the failures of a key's files are called.
struct SecretFileKind {
    std::string_view key;      ///< of the configuration: "psk"
    std::string_view content;  ///< "a key"
    std::string_view unreadable;
    std::string_view size;
    std::string_view open_to_all;
};

/// Reads what a file has, without one newline at its end. A file that everybody on this machine can read is a warning
/// at `where`. Fails with `unreadable` and `size`.
[[nodiscard]] Result<Secret<kLongestSecret>> read_secret_file(const std::string& path, const SecretFileKind& kind,
                                                              const Position& where, Diagnostics& warnings);

/// The files of a directory in alphabetical order, without hidden ones. Fails with `unreadable`.
[[nodiscard]] Result<std::vector<std::string>> secret_files_in(const std::string& directory,
                                                               const SecretFileKind& kind);

}  // namespace keysluice::control
