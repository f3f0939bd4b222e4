#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keysluice {

/// In front of a systemd credential's name, in the configuration and between our processes: each process that reads
/// the secret has a directory of credentials of its own.
inline constexpr std::string_view kCredentialPrefix = "credential:";

/// The file that a secret is in: an absolute path as it is, "credential:NAME" in $CREDENTIALS_DIRECTORY.
/// Error: `no-credentials`, where this process was given none.
[[nodiscard]] Result<std::string> secret_path(std::string_view reference);

}  // namespace keysluice
