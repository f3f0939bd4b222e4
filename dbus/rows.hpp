#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "daemon/control/change_collector.hpp"
#include "daemon/control/ike_status.hpp"
#include "daemon/control/sa_counters.hpp"
#include "daemon/control/tls_sessions.hpp"
#include "dbus/common/row_types.hpp"

namespace keysluice::bus {

// Status values in the types of the contract.

/// org.keysluice1.Connection.Refused
using RefusedRow = sdbus::Struct<std::string, std::string, std::string>;

/// org.keysluice1.Manager.GetSaCounters
using HalfRow =
    sdbus::Struct<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>;
using CountersRow = sdbus::Struct<std::uint32_t, std::uint32_t, HalfRow, HalfRow, std::uint32_t, std::uint32_t,
                                  std::uint32_t, Dictionary>;
using CountersRows = std::vector<CountersRow>;

[[nodiscard]] CountersRows to_rows(const std::vector<control::ChildCounters>& children);
[[nodiscard]] std::vector<RefusedRow> to_rows(const std::vector<control::RefusedChild>& refused);
[[nodiscard]] ChildRows to_rows(const std::vector<control::ChildView>& children);
[[nodiscard]] SaRow to_row(const control::IkeSaView& sa);
[[nodiscard]] TlsSessionRow to_row(const control::TlsSessionView& session);
[[nodiscard]] EventRow to_row(const control::Happening& happening);

/// µs of CLOCK_MONOTONIC; 0 for never.
[[nodiscard]] std::uint64_t microseconds(Instant moment);
[[nodiscard]] std::uint64_t peer_spi(const control::IkeSaView& sa);

/// About how many octets it takes on the bus, as an object; a little too many rather than too few.
[[nodiscard]] std::size_t size_on_bus(const control::IkeSaView& sa);

}  // namespace keysluice::bus
