#include <fmt/format.h>

#include <algorithm>

#include "base/reasons.hpp"
#include "cli/command_line.hpp"
#include "cli/explanation.hpp"
#include "cli/json.hpp"
#include "cli/printable.hpp"
#include "cli/run/runs.hpp"
#include "cli/style.hpp"

namespace keysluice::cli {
namespace {

std::string as_text(const std::vector<Explanation>& all, const Style& style) {
    std::string text;
    for (const Explanation& each : all) {
        text += fmt::format("{}: {}\n", style.strong(printable(each.about)), printable(each.is));
        if (!each.because.empty()) {
            text += fmt::format("  because: {}\n", printable(each.because));
        }
        if (!each.change.empty()) {
            text += fmt::format("  change:  {}\n", printable(each.change));
        }
    }
    return text;
}

std::string as_json(const std::vector<Explanation>& all) {
    return document({{"explanations", Json::array(all, [](const Explanation& each) {
                          return Json::object({{"about", each.about},
                                               {"is", each.is},
                                               {"because", each.because},
                                               {"change", each.change},
                                               {"reason", each.reason}});
                      })}});
}

}  // namespace

/// A reason code is explained without asking anybody.
Result<Outcome> run_explain(Context& context) {
    const std::string name = context.line.name();
    std::vector<Explanation> all;
    if (const Reason* reason = find_reason(name)) {
        all.push_back({.about = name,
                       .is = fmt::format("a reason code of {}", name_of(reason->area)),
                       .because = {},
                       .change = std::string(reason->meaning),
                       .reason = name});
    } else {
        const auto manager = context.service.manager();
        if (!manager) {
            return std::unexpected(manager.error());
        }
        const auto target = look_up(context.service, name);
        if (!target) {
            return std::unexpected(target.error());
        }
        all = explain(*target, std::ranges::find(manager->features, "null-kernel") != manager->features.end());
    }
    return Outcome{.text = context.line.json() ? as_json(all) : as_text(all, Style(context.colours))};
}

}  // namespace keysluice::cli
