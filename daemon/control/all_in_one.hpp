#pragma once

#include <string>

#include "daemon/control/configuration.hpp"

namespace keysluice::control {

/// For --all-in-one. The keeper becomes the parent: it takes this process over, and with it its number, and starts
/// the others, keysluiced with --null-kernel if so wanted. Returns, with an exit status, only when the keeper can't
/// be started.
[[nodiscard]] int become_keeper(const std::string& config_file, const Configuration& configuration, bool null_kernel);

}  // namespace keysluice::control
