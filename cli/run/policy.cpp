#include <utility>

#include "cli/command_line.hpp"
#include "cli/policy/text.hpp"
#include "cli/policy/verbs.hpp"
#include "cli/run/runs.hpp"
#include "daemon/control/text_file.hpp"

namespace keysluice::cli {

Result<Outcome> run_policy(Context& context) {
    const auto call = policy::call_of(context.line);
    if (!call) {
        return std::unexpected(call.error());
    }
    const auto document = context.service.policies(*call);
    if (!document) {
        return std::unexpected(document.error());
    }
    auto text = context.line.json() ? *document : policy::text_of(*call, *document);
    if (!text) {
        return pass_on(std::move(text));
    }
    if (context.line.has("output")) {
        if (auto written = control::write_text_file(context.line.value("output"), *text); !written) {
            return pass_on(std::move(written));
        }
        text = std::string();
    }
    const bool differs = call->method == PolicyCall::Method::verify && !policy::holds(*document);
    return Outcome{.text = *std::move(text), .status = differs ? ExitStatus::failed : ExitStatus::done};
}

}  // namespace keysluice::cli
