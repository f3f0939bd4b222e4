#include <fmt/format.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/suggestion.hpp"
#include "cli/command_line.hpp"
#include "cli/key/verbs.hpp"
#include "cli/run/runs.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::cli {
namespace {

/// The options of all verbs stand in one row of the table of commands: here, those of others are refused.
Result<void> check_options(const Invocation& line, const key::Verb& verb) {
    for (const Option& option : line.command->options) {
        if (option.name != "folder" && line.has(option.name) &&
            std::ranges::find(verb.options, option.name) == verb.options.end()) {
            return fail("bad-argument", fmt::format("keysluice key {} takes no --{}", verb.name, option.name));
        }
    }
    return {};
}

Result<void> check_argument(const Invocation& line, const key::Verb& verb) {
    const bool given = line.arguments.size() > 1;
    if (given == verb.argument.empty()) {
        return fail("bad-argument", given ? fmt::format("keysluice key {} takes nothing behind it", verb.name)
                                          : fmt::format("keysluice key {} wants {}", verb.name, verb.argument));
    }
    return verb.argument == "NAME" ? control::check_key_name(line.arguments[1]) : Result<void>();
}

}  // namespace

Result<Outcome> run_key(Context& context) {
    // A dump of this process would have keys in it.
    ::prctl(PR_SET_DUMPABLE, 0);
    const Invocation& line = context.line;
    const auto verb = std::ranges::find(key::verbs(), std::string_view(line.arguments.front()), &key::Verb::name);
    if (verb == key::verbs().end()) {
        std::vector<std::string_view> names;
        std::ranges::transform(key::verbs(), std::back_inserter(names), &key::Verb::name);
        return fail("bad-argument", fmt::format("keysluice key wants {}, got {}{}", alternatives(names),
                                                in_quotes(line.name()), did_you_mean(line.name(), names)));
    }
    for (auto good : {check_options(line, *verb), check_argument(line, *verb)}) {
        if (!good) {
            return pass_on(std::move(good));
        }
    }
    const char* const credentials = std::getenv("CREDENTIALS_DIRECTORY");
    const std::string folder = line.value("folder", control::kKeyFolder);
    const key::Job job{.line = line,
                       .keys = control::NamedKeys(folder, credentials == nullptr ? "" : credentials),
                       .folder = folder,
                       .argument = line.arguments.size() > 1 ? line.arguments[1] : "",
                       .colours = context.colours};
    return verb->run(job);
}

}  // namespace keysluice::cli
