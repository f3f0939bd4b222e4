#include "cli/completion.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/suggestion.hpp"
#include "cli/command_line.hpp"
#include "cli/json.hpp"
#include "cli/printable.hpp"
#include "cli/run/runs.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::cli {

Result<Outcome> run_completion(Context& context) {
    const std::string word = context.line.name();
    if (const std::string script = completion_script(word); !script.empty()) {
        return Outcome{.text = context.line.json() ? document({{"script", script}}) : script};
    }
    const auto known = completion_words();
    if (std::ranges::find(known, word) == known.end()) {
        return fail("bad-argument",
                    fmt::format("keysluice completion wants {}, got {}", alternatives(known), in_quotes(word)));
    }
    const auto configured = context.service.configured();
    if (!configured) {
        return std::unexpected(configured.error());
    }
    const auto sas = context.service.ike_sas({});
    if (!sas) {
        return std::unexpected(sas.error());
    }
    const std::vector<std::string> words = completion_words_of(word, *configured, *sas);
    if (context.line.json()) {
        return Outcome{.text = document({{"words", Json::array(words)}})};
    }
    std::string text;
    for (const std::string& each : words) {
        text += printable(each) + "\n";
    }
    return Outcome{.text = std::move(text)};
}

}  // namespace keysluice::cli
