#include "cli/command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/suggestion.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::cli {
namespace {

std::vector<const Option*> options_of(const Command* command) {
    std::vector<const Option*> all;
    const auto take = [&all](std::span<const Option> options) {
        for (const Option& option : options) {
            all.push_back(&option);
        }
    };
    if (command != nullptr) {
        take(command->options);
    }
    take(common_options());
    return all;
}

std::string where(const Command* command) {
    return command == nullptr ? "keysluice" : fmt::format("keysluice {}", command->name);
}

class Reader {
   public:
    explicit Reader(std::span<const std::string> words) : words_(words) {}

    Result<Invocation> read() {
        while (!words_.empty()) {
            const std::string word = take();
            auto read =
                !only_arguments_ && word.starts_with("-") && word != "-" ? read_option(word) : read_argument(word);
            if (!read) {
                return pass_on(std::move(read));
            }
        }
        return complete();
    }

   private:
    std::string take() {
        std::string word = words_.front();
        words_ = words_.subspan(1);
        return word;
    }

    Result<void> read_option(const std::string& word) {
        if (word == "--") {
            only_arguments_ = true;
            return {};
        }
        if (word == "-h") {
            return read_option("--help");
        }
        const auto equals = word.find('=');
        const std::string name =
            word.starts_with("--") ? word.substr(2, equals - std::min<std::size_t>(equals, 2)) : "";
        const auto options = options_of(line_.command);
        const auto found = std::ranges::find(options, std::string_view(name), &Option::name);
        if (found == options.end()) {
            return unknown_option(word, name, options);
        }
        const Option& option = **found;
        std::string value;
        if (option.value.empty() && equals != std::string::npos) {
            return fail("bad-argument", fmt::format("--{} takes no value", option.name));
        }
        if (!option.value.empty()) {
            if (equals == std::string::npos && words_.empty()) {
                return fail("bad-argument", fmt::format("--{} wants {} behind it", option.name, option.value));
            }
            value = equals == std::string::npos ? take() : word.substr(equals + 1);
        }
        line_.options[option.name] = std::move(value);
        return {};
    }

    [[nodiscard]] Result<void> unknown_option(const std::string& word, std::string_view name,
                                              const std::vector<const Option*>& options) const {
        std::vector<std::string_view> names;
        std::ranges::transform(options, std::back_inserter(names), &Option::name);
        return fail("bad-argument", fmt::format("{} has no option {}{}; --help lists them", where(line_.command),
                                                in_quotes(word), did_you_mean(name, names)));
    }

    Result<void> read_argument(const std::string& word) {
        if (line_.command != nullptr) {
            line_.arguments.push_back(word);
            return {};
        }
        line_.command = find_command(word);
        if (line_.command == nullptr) {
            std::vector<std::string_view> names;
            std::ranges::transform(commands(), std::back_inserter(names), &Command::name);
            return fail("bad-argument", fmt::format("there is no command {}{}; keysluice --help lists them",
                                                    in_quotes(word), did_you_mean(word, names)));
        }
        return {};
    }

    Result<Invocation> complete() {
        if (line_.has("help") || line_.has("version")) {
            return std::move(line_);
        }
        if (line_.command == nullptr) {
            return fail("bad-argument", "a command is expected, such as status; keysluice --help lists them");
        }
        const auto arguments = line_.command->arguments;
        const auto needed = static_cast<std::size_t>(std::ranges::count(arguments, false, &Argument::optional));
        if (line_.arguments.size() < needed) {
            return fail("bad-argument",
                        fmt::format("{} wants {}", where(line_.command), arguments[line_.arguments.size()].name));
        }
        const bool many = !arguments.empty() && arguments.back().many;
        if (line_.arguments.size() > arguments.size() && !many) {
            return fail("bad-argument", fmt::format("{} does not know what to do with {}", where(line_.command),
                                                    in_quotes(line_.arguments[arguments.size()])));
        }
        if (line_.has("watch") && !line_.command->watchable) {
            return fail("bad-argument", fmt::format("{} can't be watched", where(line_.command)));
        }
        return std::move(line_);
    }

    std::span<const std::string> words_;
    bool only_arguments_ = false;
    Invocation line_;
};

std::string usage_of(const Option& option) {
    return option.value.empty() ? fmt::format("--{}", option.name)
                                : fmt::format("--{} {}", option.name, option.value);
}

std::string table(const std::vector<std::pair<std::string, std::string_view>>& rows) {
    std::size_t width = 0;
    for (const auto& [left, right] : rows) {
        width = std::max(width, left.size());
    }
    std::string text;
    for (const auto& [left, right] : rows) {
        text += fmt::format("  {:<{}}  {}\n", left, width, right);
    }
    return text;
}

}  // namespace

std::string Invocation::value(std::string_view option, const std::string& otherwise) const {
    const auto found = options.find(option);
    return found == options.end() ? otherwise : found->second;
}

Result<Invocation> read_command_line(std::span<const std::string> words) {
    return Reader(words).read();
}

Result<std::optional<std::chrono::milliseconds>> watch_interval(const Invocation& line) {
    if (!line.has("watch")) {
        return std::nullopt;
    }
    const std::string text = line.value("watch");
    double seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc{} || end != text.data() + text.size() || !(seconds >= 0.1) || !(seconds <= 86400)) {
        return fail("bad-argument",
                    fmt::format("--watch wants a number of seconds from 0.1 to 86400, got {}", in_quotes(text)));
    }
    return std::chrono::milliseconds(std::lround(seconds * 1000));
}

std::string synopsis(const Command& command) {
    std::string text(command.name);
    for (const Option& option : command.options) {
        text += fmt::format(" [{}]", usage_of(option));
    }
    for (const Argument& argument : command.arguments) {
        const std::string name = fmt::format("{}{}", argument.name, argument.many ? "…" : "");
        text += argument.optional ? fmt::format(" [{}]", name) : fmt::format(" {}", name);
    }
    return text;
}

std::string help(const Command* command) {
    std::vector<std::pair<std::string, std::string_view>> options;
    for (const Option* option : options_of(command)) {
        options.emplace_back(usage_of(*option), option->help);
    }
    if (command != nullptr) {
        return fmt::format("usage: keysluice {}\n\n{}.\n\n{}", synopsis(*command), command->help, table(options));
    }
    std::vector<std::pair<std::string, std::string_view>> rows;
    for (const Command& each : commands()) {
        rows.emplace_back(each.name, each.help);
    }
    return fmt::format(
        "usage: keysluice COMMAND [OPTION]… [ARGUMENT]…\n\nAsks and commands keysluiced, by way of the message "
        "bus.\n\n"
        "{}\nEvery command takes:\n{}\nkeysluice COMMAND --help says what else a command takes; man 1 keysluice says "
        "it "
        "all.\n",
        table(rows), table(options));
}

}  // namespace keysluice::cli
