#include "cli/command_line.hpp"
#include "cli/run/runs.hpp"
#include "cli/time_line.hpp"

namespace keysluice::cli {

Result<Outcome> run_monitor(Context& context) {
    TimeLine line(context.line.json() ? TimeLine::Form::json : TimeLine::Form::text, Style(context.colours),
                  context.write);
    if (auto followed = context.service.follow(line); !followed) {
        return pass_on(std::move(followed));
    }
    return Outcome{};
}

}  // namespace keysluice::cli
