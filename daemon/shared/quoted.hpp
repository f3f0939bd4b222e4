#pragma once

#include <string>
#include <string_view>

namespace keysluice {

/// Text of unknown origin, safe for a terminal or a log line: everything but printable ASCII is written as an escape
/// (`\n`, `\x1b`).
[[nodiscard]] std::string escaped(std::string_view text);

/// The same in double quotes (not named quoted(), which std::string arguments would take for std::quoted), and cut
/// off with "…" behind the closing quote where it goes on for too long.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace keysluice
