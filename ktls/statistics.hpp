#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keysluice::ktls {

/// The kernel's counters of a network namespace, /proc/net/tls_stat (Documentation/networking/tls.rst). The first
/// four are of open connections, the others count from the start. A counter that this kernel does not have is 0.
struct Statistics {
    std::uint64_t current_tx_software = 0;
    std::uint64_t current_rx_software = 0;
    std::uint64_t current_tx_device = 0;
    std::uint64_t current_rx_device = 0;
    std::uint64_t tx_software = 0;
    std::uint64_t rx_software = 0;
    std::uint64_t tx_device = 0;
    std::uint64_t rx_device = 0;
    std::uint64_t decrypt_errors = 0;
    std::uint64_t rx_device_resyncs = 0;
    std::uint64_t decrypt_retries = 0;
    std::uint64_t rx_no_pad_violations = 0;
    // Linux 6.14:
    std::uint64_t rx_rekeys = 0;
    std::uint64_t rx_rekey_errors = 0;
    std::uint64_t tx_rekeys = 0;
    std::uint64_t tx_rekey_errors = 0;
    std::uint64_t rx_rekeys_received = 0;

    bool operator==(const Statistics&) const = default;
};

inline constexpr std::string_view kStatisticsPath = "/proc/net/tls_stat";

/// Lines of a name, white space and a decimal number; unknown names are skipped. Fails with "tls-stat-malformed".
[[nodiscard]] Result<Statistics> parse_statistics(std::string_view text);

/// Also fails with "kernel-without-ktls" where there is no such file (the module is not loaded),
/// "tls-stat-unreadable".
[[nodiscard]] Result<Statistics> read_statistics(const std::string& path = std::string{kStatisticsPath});

}  // namespace keysluice::ktls
