#pragma once

#include <string>
#include <string_view>

namespace keysluice {

/// Text of unknown origin in double quotes, safe for a terminal or a log line: everything but printable ASCII is
/// written as an escape (`\n`, `\x1b`), and what goes on for too long is cut off with "…" behind the closing quote.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace keysluice
