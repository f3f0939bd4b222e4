#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "cli/commands.hpp"

namespace keysluice::cli {

/// A command line that makes sense.
struct Invocation {
    const Command* command = nullptr;  ///< null: --help or --version of the whole
    std::vector<std::string> arguments;
    std::map<std::string_view, std::string> options;  ///< by name; a flag's value is empty

    [[nodiscard]] bool has(std::string_view option) const { return options.contains(option); }
    [[nodiscard]] std::string value(std::string_view option, const std::string& otherwise = {}) const;
    /// The first argument, or nothing.
    [[nodiscard]] std::string name() const { return arguments.empty() ? std::string() : arguments.front(); }
    [[nodiscard]] bool json() const { return has("json"); }
};

/// Reads what follows the program's name: the command first, options anywhere, `--option VALUE` or `--option=VALUE`,
/// `--` before arguments that begin with a dash. Error: `bad-argument`.
[[nodiscard]] Result<Invocation> read_command_line(std::span<const std::string> words);

/// How often --watch wants it; nothing without it. Error: `bad-argument`, where it is not 0.1 to 86400 seconds.
[[nodiscard]] Result<std::optional<std::chrono::milliseconds>> watch_interval(const Invocation& line);

/// `list [--ike] [--child] [--tls] [NAME|ID]`
[[nodiscard]] std::string synopsis(const Command& command);
/// Of one command, or of all where it is null.
[[nodiscard]] std::string help(const Command* command);

}  // namespace keysluice::cli
