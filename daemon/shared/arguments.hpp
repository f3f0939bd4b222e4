#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"
#include "daemon/shared/log.hpp"

namespace keysluice {

/// The command line of keeper, engine and relay. People start keysluiced; these three are started by it or by a unit.
struct Arguments {
    std::string runtime_directory = "/run/keysluice";
    LogLevel log_level = LogLevel::info;
    std::uint16_t index = 0;    ///< which engine or relay of several this one is
    std::uint16_t engines = 1;  ///< keeper: how many relays have a table
    std::string all_in_one;     ///< keeper: start and watch the other processes, with this configuration file
    bool null_kernel = false;   ///< keeper: passed on to keysluiced
    bool help = false;
};

/// Error: `bad-argument`.
[[nodiscard]] Result<Arguments> parse_arguments(std::span<char*> argv);

[[nodiscard]] Result<LogLevel> parse_log_level(std::string_view text);

}  // namespace keysluice
