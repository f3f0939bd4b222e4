#include "cli/policy/verbs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/suggestion.hpp"
#include "cli/command_line.hpp"
#include "daemon/control/configuration_files.hpp"
#include "daemon/control/section.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::cli::policy {
namespace {

using Method = PolicyCall::Method;
using Rest = Verb::Rest;

constexpr std::array<std::string_view, 2> kSets{"candidate", "committed"};
constexpr std::array<std::string_view, 6> kQuestion{"direction",      "protocol",   "local-address",
                                                    "remote-address", "local-port", "remote-port"};
constexpr std::array<std::string_view, 9> kTest{"candidate",  "committed",     "direction",
                                                "protocol",   "local-address", "remote-address",
                                                "local-port", "remote-port",   "output"};
constexpr std::array<std::string_view, 1> kOutput{"output"};
constexpr std::array<std::string_view, 1> kInteractive{"interactive"};
constexpr std::array<std::string_view, 2> kCommit{"interactive", "confirm-within"};
constexpr std::array<std::string_view, 2> kPlaced{"interactive", "before"};
constexpr std::array<std::string_view, 2> kImport{"interactive", "name"};

constexpr std::array kVerbs{
    Verb{.name = "show", .argument = {}, .options = kSets, .method = Method::show},
    Verb{.name = "test", .argument = {}, .options = kTest, .method = Method::test},
    Verb{.name = "diff", .argument = {}, .options = {}, .method = Method::diff},
    Verb{.name = "verify", .argument = {}, .options = {}, .method = Method::verify},
    Verb{.name = "commit", .argument = {}, .options = kCommit, .method = Method::commit},
    Verb{.name = "confirm", .argument = {}, .options = kInteractive, .method = Method::confirm},
    Verb{.name = "enable", .argument = {}, .options = kInteractive, .method = Method::enable},
    Verb{.name = "disable", .argument = {}, .options = kInteractive, .method = Method::disable},
    Verb{.name = "add", .argument = "NAME", .options = kPlaced, .rest = Rest::values, .method = Method::edit},
    Verb{.name = "modify", .argument = "NAME", .options = kInteractive, .rest = Rest::values, .method = Method::edit},
    Verb{.name = "clone", .argument = "NAME", .options = kPlaced, .rest = Rest::fresh_name, .method = Method::edit},
    Verb{.name = "delete", .argument = "NAME", .options = kInteractive, .method = Method::edit},
    Verb{.name = "move", .argument = "NAME", .options = kPlaced, .method = Method::edit},
    Verb{.name = "export", .argument = {}, .options = kOutput, .method = Method::exported},
    Verb{.name = "import", .argument = "FILE", .options = kImport, .method = Method::import},
    Verb{.name = "keys", .argument = {}, .options = {}, .method = Method::list_keys},
    Verb{.name = "renew-key", .argument = "KEY", .options = kInteractive, .method = Method::renew_key},
};

Result<void> check_options(const Invocation& line, const Verb& verb) {
    for (const Option& option : line.command->options) {
        if (line.has(option.name) && std::ranges::find(verb.options, option.name) == verb.options.end()) {
            return fail("bad-argument", fmt::format("keysluice policy {} takes no --{}", verb.name, option.name));
        }
    }
    return {};
}

Result<void> check_arguments(const Invocation& line, const Verb& verb) {
    const std::size_t given = line.arguments.size() - 1;
    const std::size_t least = (verb.argument.empty() ? 0U : 1U) + (verb.rest == Rest::nothing ? 0U : 1U);
    if (given < least) {
        const std::string_view rest = verb.rest == Rest::values       ? " and KEY=VALUE…"
                                      : verb.rest == Rest::fresh_name ? " and a new name"
                                                                      : "";
        return fail("bad-argument", fmt::format("keysluice policy {} wants {}{}", verb.name, verb.argument, rest));
    }
    if (given > least && verb.rest != Rest::values) {
        return fail("bad-argument", fmt::format("keysluice policy {} does not know what to do with {}", verb.name,
                                                in_quotes(line.arguments[least + 1])));
    }
    return {};
}

Result<void> read_values(const Invocation& line, PolicyCall& call) {
    for (std::size_t i = 2; i < line.arguments.size(); ++i) {
        const std::string& pair = line.arguments[i];
        const std::size_t equals = pair.find('=');
        if (equals == std::string::npos || equals == 0) {
            return fail(
                "bad-argument",
                fmt::format("{}: expected KEY=VALUE, a key of [[policy]] in keysluice.toml(5)", in_quotes(pair)));
        }
        call.values.insert_or_assign(pair.substr(0, equals), pair.substr(equals + 1));
    }
    return {};
}

Result<void> read_confirmation(const Invocation& line, PolicyCall& call) {
    if (!line.has("confirm-within")) {
        return {};
    }
    const auto time = control::parse_duration(line.value("confirm-within"));
    const auto seconds = time ? std::chrono::duration_cast<std::chrono::seconds>(*time).count() : 0;
    if (seconds < 1 || seconds > UINT32_MAX) {
        return fail("bad-argument", "--confirm-within: expected a time of at least one second, as in 60s or 5min");
    }
    call.confirm_within = static_cast<std::uint32_t>(seconds);
    return {};
}

void read_question(const Invocation& line, PolicyCall& call) {
    for (const std::string_view option : kQuestion) {
        if (line.has(option)) {
            std::string key(option);
            std::ranges::replace(key, '-', '_');
            call.values.emplace(std::move(key), line.value(option));
        }
    }
}

Result<void> read_file(const Invocation& line, PolicyCall& call) {
    const std::filesystem::path file = line.arguments[1];
    auto text = control::load_text(file);
    if (!text) {
        return fail(text.error().reason, to_string(text.error()));
    }
    call.toml = *std::move(text);
    call.name = line.value("name", file.stem().string());
    return {};
}

}  // namespace

std::span<const Verb> verbs() {
    return kVerbs;
}

Result<PolicyCall> call_of(const Invocation& line) {
    const auto verb = std::ranges::find(kVerbs, std::string_view(line.arguments.front()), &Verb::name);
    if (verb == kVerbs.end()) {
        std::vector<std::string_view> names(kVerbs.size());
        std::ranges::transform(kVerbs, names.begin(), &Verb::name);
        return fail("bad-argument", fmt::format("keysluice policy wants {}, got {}{}", alternatives(names),
                                                in_quotes(line.name()), did_you_mean(line.name(), names)));
    }
    PolicyCall call{.method = verb->method};
    for (auto good : {check_options(line, *verb), check_arguments(line, *verb)}) {
        if (!good) {
            return pass_on(std::move(good));
        }
    }
    if (line.has("candidate") && line.has("committed")) {
        return fail("bad-argument", "--candidate and --committed exclude each other");
    }
    const bool committed = line.has("committed") || (verb->method == Method::show && !line.has("candidate"));
    call.set = kSets.at(committed ? 1 : 0);
    call.interactive = line.has("interactive");
    call.name = verb->argument.empty() ? std::string() : line.arguments[1];
    Result<void> rest;
    switch (verb->method) {
        case Method::edit:
            call.verb = verb->name;
            if (verb->rest == Rest::values) {
                rest = read_values(line, call);
            } else if (verb->rest == Rest::fresh_name) {
                call.values.emplace("new_name", line.arguments[2]);
            }
            if (line.has("before")) {
                call.values.insert_or_assign("before", line.value("before"));
            }
            break;
        case Method::import:
            rest = read_file(line, call);
            break;
        case Method::commit:
            rest = read_confirmation(line, call);
            break;
        case Method::test:
            read_question(line, call);
            break;
        case Method::show:
        case Method::diff:
        case Method::verify:
        case Method::exported:
        case Method::list_keys:
        case Method::confirm:
        case Method::enable:
        case Method::disable:
        case Method::renew_key:
            break;
    }
    if (!rest) {
        return pass_on(std::move(rest));
    }
    return call;
}

}  // namespace keysluice::cli::policy
