#pragma once

#include <chrono>

#include "daemon/control/configuration.hpp"

namespace keysluice::control {

/// OCSP responses that can be loaded and do no good: those that are too old, or too young, to be stapled, and those
/// that say that the certificate is revoked; and certificates that clients refuse without one. Those that can't be
/// loaded are check_files()' to report, or an engine's.
[[nodiscard]] Diagnostics doubts_about_stapling(const Configuration& configuration,
                                                std::chrono::system_clock::time_point now);

}  // namespace keysluice::control
