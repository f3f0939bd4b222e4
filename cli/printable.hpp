#pragma once

#include <string>
#include <string_view>

#include "cli/answers.hpp"

namespace keysluice::cli {

/// Text of unknown origin, safe for a terminal: characters that a terminal obeys (C0, DEL, C1), that turn the
/// direction of writing round or that nobody sees, and octets that are no UTF-8, are written as `\x1b` or `\u{202e}`.
/// So is the backslash in front of them, by another one. Other letters stay as they are.
[[nodiscard]] std::string printable(std::string_view text);

// The same for every text in it: what is to be shown passes here as a whole, so that no member is forgotten.
[[nodiscard]] IkeSa printable(IkeSa sa);
[[nodiscard]] Connection printable(Connection connection);
[[nodiscard]] TlsService printable(TlsService service);
[[nodiscard]] TlsSession printable(TlsSession session);
[[nodiscard]] Manager printable(Manager manager);
[[nodiscard]] Event printable(Event event);

/// How many columns a printable text takes, nearly: one for each character.
[[nodiscard]] std::size_t columns(std::string_view text);

}  // namespace keysluice::cli
