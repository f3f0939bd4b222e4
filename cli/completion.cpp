#include "cli/completion.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "cli/commands.hpp"

namespace keysluice::cli {
namespace {

/// The word behind `keysluice completion`; empty: nothing on the bus completes it.
std::string_view word_for(Completes completes) {
    switch (completes) {
        case Completes::nothing:
        case Completes::file:
        case Completes::shells:
            return "";
        case Completes::names:
            return "names";
        case Completes::targets:
            return "targets";
        case Completes::sessions:
            return "sessions";
        case Completes::children:
            return "children";
    }
    return "";
}

/// A shell's command that prints what completes something; empty: nothing does.
std::string command_for(Completes completes) {
    if (completes == Completes::shells) {
        return fmt::format("echo {}", fmt::join(completion_words(), " "));
    }
    const std::string_view word = word_for(completes);
    return word.empty() ? "" : fmt::format("keysluice completion {} 2>/dev/null", word);
}

/// What bash and fish run for the words of an argument.
std::string command_for(const Argument& argument) {
    return argument.words.empty() ? command_for(argument.completes) : fmt::format("echo {}", argument.words);
}

std::string bash_command_for(Completes completes) {
    return completes == Completes::file ? "compgen -f -- \"$current\"" : command_for(completes);
}

/// What _arguments takes behind the last colon.
std::string zsh_action_for(Completes completes) {
    if (completes == Completes::shells) {
        return fmt::format("({})", fmt::join(completion_words(), " "));
    }
    const std::string_view word = word_for(completes);
    return completes == Completes::file ? "_files" : word.empty() ? "" : fmt::format("_keysluice_{}", word);
}

/// Every option that takes a value, once.
std::vector<const Option*> options_with_values() {
    std::vector<const Option*> found;
    std::set<std::string_view> names;
    const auto take = [&](std::span<const Option> options) {
        for (const Option& option : options) {
            if (!option.value.empty() && names.insert(option.name).second) {
                found.push_back(&option);
            }
        }
    };
    take(common_options());
    for (const Command& command : commands()) {
        take(command.options);
    }
    return found;
}

std::string dashed(std::span<const Option> options) {
    std::string text;
    for (const Option& option : options) {
        text += fmt::format("{}--{}", text.empty() ? "" : " ", option.name);
    }
    return text;
}

std::string for_bash() {
    std::string values;
    std::string behind;
    for (const Option* option : options_with_values()) {
        values += fmt::format("{}--{}", values.empty() ? "" : "|", option->name);
        const std::string command = bash_command_for(option->completes);
        behind += fmt::format("    --{}) words={}; options= ;;\n", option->name,
                              command.empty() ? "" : fmt::format("$({})", command));
    }
    std::string names;
    std::string rows;
    for (const Command& command : commands()) {
        names += fmt::format("{}{}", names.empty() ? "" : " ", command.name);
        std::string source;
        if (!command.arguments.empty()) {
            const Argument& first = command.arguments.front();
            source = first.words.empty() ? bash_command_for(first.completes) : command_for(first);
        }
        rows += fmt::format("      {}) options+=' {}'; words={} ;;\n", command.name, dashed(command.options),
                            source.empty() ? "" : fmt::format("$({})", source));
    }
    return fmt::format(R"(# Completions of keysluice for bash, written by `keysluice completion bash`.
_keysluice() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command= words= options= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${{COMP_WORDS[i]}} in
      {}) i=$((i + 1)) ;;
      -*) ;;
      *) command=${{COMP_WORDS[i]}}; break ;;
    esac
  done
  options='{}'
  case $before in
{}    *) case $command in
      '') words='{}' ;;
{}      esac ;;
  esac
  [[ $current == -* ]] && words=$options
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F _keysluice keysluice
)",
                       values, dashed(common_options()), behind, names, rows);
}

/// One option as _arguments wants it.
std::string for_zsh(const Option& option) {
    const std::string value =
        option.value.empty() ? "" : fmt::format(":{}:{}", option.value, zsh_action_for(option.completes));
    return fmt::format(" \\\n      '--{}[{}]{}'", option.name, option.help, value);
}

std::string for_zsh() {
    std::string functions;
    for (const std::string_view word : completion_words()) {
        if (word != "bash" && word != "zsh" && word != "fish") {
            functions += fmt::format(
                "_keysluice_{0}() {{ compadd -- ${{(f)\"$(keysluice completion {0} 2>/dev/null)\"}} }}\n", word);
        }
    }
    std::string common;
    for (const Option& option : common_options()) {
        common += for_zsh(option);
    }
    std::string names;
    std::string rows;
    for (const Command& command : commands()) {
        names += fmt::format("        '{}:{}'\n", command.name, command.help);
        std::string arguments = common;
        for (const Option& option : command.options) {
            arguments += for_zsh(option);
        }
        std::size_t place = 0;
        for (const Argument& argument : command.arguments) {
            arguments += fmt::format(
                " \\\n      '{}:{}:{}'", ++place, argument.name,
                argument.words.empty() ? zsh_action_for(argument.completes) : fmt::format("({})", argument.words));
        }
        rows += fmt::format("    {}) _arguments{} ;;\n", command.name, arguments);
    }
    return fmt::format(R"(#compdef keysluice
# Completions of keysluice for zsh, written by `keysluice completion zsh`.
{}_keysluice() {{
  local context state line
  typeset -A opt_args
  _arguments -C{} '1:command:->command' '*::argument:->argument'
  case $state in
    command)
      local -a names=(
{}      )
      _describe command names ;;
    argument)
      case $line[1] in
{}      esac ;;
  esac
}}
_keysluice "$@"
)",
                       functions, common, names, rows);
}

std::string for_fish(std::string_view condition, const Option& option) {
    const std::string command = command_for(option.completes);
    const std::string_view wants = option.completes == Completes::file ? " -r -F" : " -x";
    return fmt::format("complete -c keysluice{} -l {}{}{} -d '{}'\n", condition, option.name,
                       option.value.empty() ? "" : wants, command.empty() ? "" : fmt::format(" -a '({})'", command),
                       option.help);
}

std::string for_fish() {
    std::string text =
        "# Completions of keysluice for fish, written by `keysluice completion fish`.\ncomplete -c keysluice -f\n";
    for (const Option& option : common_options()) {
        text += for_fish("", option);
    }
    for (const Command& command : commands()) {
        text +=
            fmt::format("complete -c keysluice -n __fish_use_subcommand -a {} -d '{}'\n", command.name, command.help);
        const std::string condition = fmt::format(" -n '__fish_seen_subcommand_from {}'", command.name);
        for (const Option& option : command.options) {
            text += for_fish(condition, option);
        }
        for (const Argument& argument : command.arguments) {
            const std::string source = command_for(argument);
            text += argument.completes == Completes::file ? fmt::format("complete -c keysluice{} -F\n", condition)
                    : source.empty()                      ? ""
                                     : fmt::format("complete -c keysluice{} -a '({})'\n", condition, source);
        }
    }
    return text;
}

}  // namespace

std::string completion_script(std::string_view shell) {
    return shell == "bash" ? for_bash() : shell == "zsh" ? for_zsh() : shell == "fish" ? for_fish() : "";
}

std::vector<std::string> completion_words_of(std::string_view word, const Configured& configured,
                                             const std::vector<IkeSa>& sas) {
    std::set<std::string> words;
    for (const Connection& connection : configured.connections) {
        if (word == "children") {
            words.insert(connection.children.begin(), connection.children.end());
        } else {
            words.insert(connection.name);
            words.insert(connection.groups.begin(), connection.groups.end());
        }
    }
    for (const TlsService& service : configured.services) {
        if (word == "sessions") {
            words.insert(service.name);
        }
    }
    for (const IkeSa& sa : sas) {
        if (word == "targets" || word == "sessions") {
            words.insert(fmt::format("{:016x}", sa.spi));
        }
    }
    return {words.begin(), words.end()};
}

}  // namespace keysluice::cli
