#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "daemon/shared/log_events.hpp"

namespace keysluice {

enum class LogLevel : std::uint8_t { error, warning, info, debug };

/// The spellings of configuration and command line, in the order of the enumerators.
inline constexpr std::array<std::string_view, 4> kLogLevelNames{"error", "warning", "info", "debug"};

[[nodiscard]] constexpr std::string_view to_string(LogLevel level) {
    return kLogLevelNames[static_cast<std::size_t>(level)];
}

/// The log sink of this process: standard error, one line a message, written at once. `program` names the process in
/// front of each line ("engine 0"). Where standard error is the journal, the line's priority stands before that.
void open_log(std::string program, LogLevel level);
/// From now on the journal gets lines with their fields, where standard error is the journal. Opens a descriptor.
void open_journal();
void set_log_level(LogLevel level);
[[nodiscard]] bool logs(LogLevel level);

/// Writes one line. Control characters, which may come from a peer, are escaped.
void write_log(LogLevel level, std::string_view text, const LogDetails* details = nullptr);

template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
    write_log(LogLevel::error, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
    write_log(LogLevel::warning, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
    write_log(LogLevel::info, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
    if (logs(LogLevel::debug)) {
        write_log(LogLevel::debug, fmt::format(format, std::forward<Args>(args)...));
    }
}

/// A line that somebody may look for in the journal.
template <typename... Args>
void log_event(LogLevel level, const LogDetails& details, fmt::format_string<Args...> format, Args&&... args) {
    write_log(level, fmt::format(format, std::forward<Args>(args)...), &details);
}

/// A failure that a remote can cause, and so could use to flood the log: at most ten lines a second for each reason
/// (LogLimit). The next failure of that kind after it comes with a line that counts what was left out.
void log_peer_failure(std::string_view subject, const Error& error, const LogDetails* details = nullptr);

}  // namespace keysluice
