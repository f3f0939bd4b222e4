#pragma once

#include <string>
#include <vector>

#include "base/unique_fd.hpp"

namespace keysluice {

struct Inherited {
    std::string name;  ///< which the service manager, or an earlier process, gave it; empty where there is none
    UniqueFd descriptor;
};

/// The descriptors that the service manager passed to this process (sd_listen_fds_with_names(3)), in their order;
/// none where it passed none. Whatever else a careless parent left open behind standard error is closed. To be called
/// once, before anything is opened, and while the process has one thread.
[[nodiscard]] std::vector<Inherited> take_inherited();

}  // namespace keysluice
