#pragma once

#include <string>

#include "base/result.hpp"
#include "base/secret_buffer.hpp"

namespace keysluice::cli {

// Where secrets come from: never from the command line, which everybody on the host can read. One line feed at the
// end is no part of them.

/// A line that is typed on the process's terminal and not shown there. Whatever signal comes meanwhile, the terminal
/// shows what is typed again before the process obeys it. Error: `passphrase-unusable`, where there is no terminal or
/// nothing is typed.
[[nodiscard]] Result<SecretBuffer> ask_hidden(const std::string& question);

/// All of standard input; where that is a terminal, the answer to the question. Errors: those of read_secret() and of
/// ask_hidden().
[[nodiscard]] Result<SecretBuffer> secret_from_input(const std::string& question);

/// Of `file`, which others may not read, or where it is empty, asked for; `twice`: since nobody sees what is typed.
/// Errors: those of read_private_file(), `passphrase-unusable`.
[[nodiscard]] Result<SecretBuffer> read_passphrase(const std::string& file, bool twice);

}  // namespace keysluice::cli
