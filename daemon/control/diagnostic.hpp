#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keysluice::control {

/// A place in a configuration file, line and column counted from 1. Line 0: the file as a whole.
struct Position {
    std::string file;
    std::uint32_t line = 0;
    std::uint32_t column = 0;

    auto operator<=>(const Position&) const = default;
};

/// One thing that is wrong in the configuration. `reason` and `sentence` are as in `keysluice::Error`.
struct Diagnostic {
    Position where;
    std::string_view reason;
    std::string sentence;
};

using Diagnostics = std::vector<Diagnostic>;

/// "FILE:LINE:COLUMN", or "FILE".
[[nodiscard]] std::string to_string(const Position& position);

/// "FILE:LINE:COLUMN: sentence", or "FILE: sentence".
[[nodiscard]] std::string to_string(const Diagnostic& diagnostic);

}  // namespace keysluice::control
