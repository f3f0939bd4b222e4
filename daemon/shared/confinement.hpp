#pragma once

#include <cstdint>

#include "base/result.hpp"

namespace keysluice {

/// The processes that confine themselves. What each still needs is the table in confinement.cpp.
enum class Confined : std::uint8_t {
    engine,  ///< opens files for reading only (certificates and keys, at any time) and connects
    relay,   ///< opens nothing, and connects
    keeper,  ///< opens nothing, and makes no socket
};

/// For good: no new privileges, no capabilities, and a seccomp filter of the system calls that the process still
/// needs; every other one fails with EPERM. Memory that can be written can't be executed. To be called when
/// everything is set up and before anything from the network is read.
///
/// Error: `confinement-failed`; then the process must not serve. A kernel without seccomp is a warning in the log
/// only. Built with sanitizers or for coverage, which trace and write files, the filter is left out.
[[nodiscard]] Result<void> confine(Confined as);

}  // namespace keysluice
