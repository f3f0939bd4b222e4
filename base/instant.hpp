#pragma once

#include <chrono>

namespace keysluice {

/// A clock that only `daemon/` can read: below it, time is an argument.
struct MonotonicClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<MonotonicClock>;
    static constexpr bool is_steady = true;
};

using Instant = MonotonicClock::time_point;
using Duration = MonotonicClock::duration;

}  // namespace keysluice
