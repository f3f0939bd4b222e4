#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace keysluice::control {

/// What a monitoring system follows. There is no figure of a single SA or session: they come and go, and each would
/// be a series of its own for good.
struct Metrics {
    std::string version;                           ///< of the service
    std::map<std::string, std::uint64_t> ike_sas;  ///< by state
    /// By the offload in force ("none", "crypto", "packet") and the device, empty where there is none.
    std::map<std::pair<std::string, std::string>, std::uint64_t> child_sas;
    /// Of each service what engines and relays have counted, by the names of TlsService.GetCounters.
    std::map<std::string, std::map<std::string, std::uint64_t>> services;
    std::uint64_t silent = 0;  ///< engines and relays that have not answered: their figures are missing

    void count_ike_sa(std::string_view state);
    /// A device that is not in force does not count.
    void count_child_sa(std::string_view offload, std::string_view device);
};

/// As https://openmetrics.io defines it, "# EOF" included. Text from the configuration is escaped.
[[nodiscard]] std::string to_open_metrics(const Metrics& metrics);

}  // namespace keysluice::control
