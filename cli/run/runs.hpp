#pragma once

#include "base/result.hpp"
#include "cli/commands.hpp"

namespace keysluice::cli {

// What the rows of the table of commands (cli/commands.cpp) do, each in a file of its name.

[[nodiscard]] Result<Outcome> run_status(Context& context);
[[nodiscard]] Result<Outcome> run_list(Context& context);
[[nodiscard]] Result<Outcome> run_show(Context& context);

}  // namespace keysluice::cli
