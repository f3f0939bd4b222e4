#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/answers.hpp"
#include "dbus/common/row_types.hpp"

namespace keysluice::cli {

// From the types of the contract (dbus/*.xml) to plain values.

using bus::ChildRow;
using bus::EventRow;
using bus::SaRow;
using bus::TlsSessionRow;

using TrafficRow =
    sdbus::Struct<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>;
using CounterRow = sdbus::Struct<std::uint32_t, std::uint32_t, TrafficRow, TrafficRow, std::uint32_t, std::uint32_t,
                                 std::uint32_t, bus::Dictionary>;

/// One moment on two clocks: the kernel says by CLOCK_REALTIME when something was.
struct Clocks {
    Instant monotonic;
    std::chrono::system_clock::time_point real;
};

[[nodiscard]] ChildCounters from_row(const CounterRow& row, const Clocks& clocks);
[[nodiscard]] IkeSa from_row(const SaRow& row);
[[nodiscard]] TlsSession from_row(const TlsSessionRow& row);
[[nodiscard]] Event from_row(const EventRow& row);

/// Of objects' properties; one that is missing stays as it is in an answer that nobody has filled in.
[[nodiscard]] Connection connection_from(const bus::Dictionary& properties);
[[nodiscard]] TlsService service_from(const bus::Dictionary& properties);

}  // namespace keysluice::cli
