#include "cli/command_line.hpp"
#include "cli/doctor/look.hpp"
#include "cli/doctor/report.hpp"
#include "cli/run/runs.hpp"
#include "cli/style.hpp"

namespace keysluice::cli {

Result<Outcome> run_doctor(Context& context) {
    const doctor::Findings findings = doctor::examine(context.line.value("config", "/etc/keysluice/keysluice.toml"));
    return Outcome{
        .text = context.line.json() ? doctor::to_json(findings) : doctor::to_text(findings, Style(context.colours)),
        .status = doctor::any_wrong(findings) ? ExitStatus::failed : ExitStatus::done};
}

}  // namespace keysluice::cli
