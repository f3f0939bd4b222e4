#pragma once

#include "base/result.hpp"
#include "cli/commands.hpp"

namespace keysluice::cli {

// What the rows of the table of commands (cli/commands.cpp) do, each in a file of its name (up, down, rekey and
// reload in wishes.cpp).

[[nodiscard]] Result<Outcome> run_status(Context& context);
[[nodiscard]] Result<Outcome> run_list(Context& context);
[[nodiscard]] Result<Outcome> run_show(Context& context);
[[nodiscard]] Result<Outcome> run_up(Context& context);
[[nodiscard]] Result<Outcome> run_down(Context& context);
[[nodiscard]] Result<Outcome> run_rekey(Context& context);
[[nodiscard]] Result<Outcome> run_reauth(Context& context);
[[nodiscard]] Result<Outcome> run_policy(Context& context);
[[nodiscard]] Result<Outcome> run_reload(Context& context);
[[nodiscard]] Result<Outcome> run_monitor(Context& context);
[[nodiscard]] Result<Outcome> run_stats(Context& context);
[[nodiscard]] Result<Outcome> run_completion(Context& context);
[[nodiscard]] Result<Outcome> run_explain(Context& context);
[[nodiscard]] Result<Outcome> run_doctor(Context& context);
[[nodiscard]] Result<Outcome> run_metrics(Context& context);
[[nodiscard]] Result<Outcome> run_import(Context& context);
[[nodiscard]] Result<Outcome> run_top(Context& context);
[[nodiscard]] Result<Outcome> run_key(Context& context);

}  // namespace keysluice::cli
