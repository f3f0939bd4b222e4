#pragma once

#include <string>

#include "base/result.hpp"
#include "cli/service.hpp"

namespace keysluice::cli {

/// Service::follow() on the bus of this address. The subscription is for the name, so that it outlives the service.
[[nodiscard]] Result<void> follow_on_bus(const std::string& address, Follower& follower);

}  // namespace keysluice::cli
