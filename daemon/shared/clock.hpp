#pragma once

#include <time.h>

#include "base/instant.hpp"

namespace keysluice {

/// The only place where keysluice's programs read the monotonic clock.
[[nodiscard]] inline Instant now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return Instant(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

}  // namespace keysluice
