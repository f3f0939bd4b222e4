#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/target.hpp"

namespace keysluice::cli {

/// The completions of a shell (bash, zsh or fish), from the table of commands. What is on the bus, the shell asks for
/// by `keysluice completion WORD` when it is needed. Empty for another shell.
[[nodiscard]] std::string completion_script(std::string_view shell);

/// What `keysluice completion WORD` prints, one a line: names, targets, sessions, children (Completes).
[[nodiscard]] std::vector<std::string> completion_words_of(std::string_view word, const Configured& configured,
                                                           const std::vector<IkeSa>& sas);

}  // namespace keysluice::cli
