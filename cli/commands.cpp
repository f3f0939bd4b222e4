#include "cli/commands.hpp"

#include <algorithm>
#include <array>

#include "cli/run/runs.hpp"

namespace keysluice::cli {
namespace {

constexpr std::array kCommonOptions{
    Option{.name = "json", .help = "print a JSON document instead of text"},
    Option{.name = "watch", .value = "SECONDS", .help = "do it again every so many seconds, until interrupted"},
    Option{.name = "bus", .value = "ADDRESS", .help = "the message bus: system (the default) or a D-Bus address"},
    Option{.name = "help", .help = "print what there is, or what a command takes"},
    Option{.name = "version", .help = "print the version"},
};

constexpr std::array<Argument, 0> kNoArguments{};
constexpr std::array<Option, 0> kNoOptions{};
constexpr std::array kOneSession{Argument{.name = "NAME|ID", .completes = Completes::sessions}};
constexpr std::array kSomeSession{Argument{.name = "NAME|ID", .completes = Completes::sessions, .optional = true}};

constexpr std::array kOneName{Argument{.name = "NAME", .completes = Completes::names}};
constexpr std::array kOneTarget{Argument{.name = "NAME|ID", .completes = Completes::targets}};
constexpr std::array kOneShell{
    Argument{.name = "bash|zsh|fish|names|targets|sessions|children", .completes = Completes::shells}};

constexpr Option kInteractive{.name = "interactive", .help = "polkit may ask for a password, by an agent that runs"};
constexpr std::array kInteractiveOnly{kInteractive};
constexpr std::array kUpOptions{
    Option{.name = "child", .value = "CHILD", .help = "this child of it alone", .completes = Completes::children},
    kInteractive,
};
constexpr std::array kRekeyOptions{
    Option{.name = "child",
           .value = "CHILD",
           .help = "the CHILD SAs of this name instead of the IKE SAs",
           .completes = Completes::children},
    kInteractive,
};

constexpr Option kCounters{.name = "counters", .help = "what the kernel has counted for each CHILD SA, too"};
constexpr std::array kShowOptions{kCounters};
constexpr std::array kListOptions{
    Option{.name = "ike", .help = "IKE SAs, without their CHILD SAs"},
    Option{.name = "child", .help = "CHILD SAs alone"},
    Option{.name = "tls", .help = "TLS services and their sessions"},
    kCounters,
};

constexpr std::array kOneQuestion{Argument{.name = "NAME|ID|CODE", .completes = Completes::sessions}};
constexpr std::array kDoctorOptions{
    Option{.name = "config",
           .value = "FILE",
           .help = "the configuration to look at, instead of /etc/keysluice/keysluice.toml",
           .completes = Completes::file},
};

constexpr std::array kCommands{
    Command{.name = "status",
            .arguments = kNoArguments,
            .options = kNoOptions,
            .help = "Say on one screen what runs, what it carries, and what is wrong",
            .watchable = true,
            .run = run_status},
    Command{.name = "list",
            .arguments = kSomeSession,
            .options = kListOptions,
            .help = "List IKE SAs, CHILD SAs, TLS services and their sessions, as swanctl --list-sas does",
            .watchable = true,
            .run = run_list},
    Command{.name = "show",
            .arguments = kOneSession,
            .options = kShowOptions,
            .help = "Show everything about one connection, TLS service, IKE SA or TLS session",
            .watchable = true,
            .run = run_show},
    Command{.name = "up",
            .arguments = kOneName,
            .options = kUpOptions,
            .help = "Begin to bring up a connection, a TLS service or all of a group",
            .run = run_up},
    Command{
        .name = "down",
        .arguments = kOneTarget,
        .options = kInteractiveOnly,
        .help = "Close the IKE SAs of a connection, the sessions of a TLS service, all of a group, or one of them",
        .run = run_down},
    Command{.name = "rekey",
            .arguments = kOneTarget,
            .options = kRekeyOptions,
            .help = "Begin to rekey the IKE SAs of a connection or group, or one IKE or CHILD SA",
            .run = run_rekey},
    Command{.name = "reload",
            .arguments = kNoArguments,
            .options = kInteractiveOnly,
            .help = "Have the configuration read again, and print what is wrong with it",
            .run = run_reload},
    Command{.name = "monitor",
            .arguments = kNoArguments,
            .options = kNoOptions,
            .help = "Print what happens, as it happens, until interrupted",
            .run = run_monitor},
    Command{.name = "stats",
            .arguments = kNoArguments,
            .options = kNoOptions,
            .help = "Print the numbers of SAs and the counters of TLS services",
            .watchable = true,
            .run = run_stats},
    Command{.name = "completion",
            .arguments = kOneShell,
            .options = kNoOptions,
            .help = "Print the completions of a shell, or the words that they ask for",
            .run = run_completion},
    Command{.name = "explain",
            .arguments = kOneQuestion,
            .options = kNoOptions,
            .help = "Say why a session is where it is and what would change it, or what a reason code means",
            .run = run_explain},
    Command{.name = "doctor",
            .arguments = kNoArguments,
            .options = kDoctorOptions,
            .help = "Look for what is wrong with this host, and say what to type against it",
            .run = run_doctor},
    Command{.name = "metrics",
            .arguments = kNoArguments,
            .options = kNoOptions,
            .help = "Print figures for a monitoring system, as OpenMetrics text",
            .watchable = true,
            .run = run_metrics},
    Command{.name = "top",
            .arguments = kNoArguments,
            .options = kNoOptions,
            .help = "Show rates on a full screen, until q is pressed",
            .run = run_top},
};

constexpr std::array<std::string_view, 7> kCompletionWords{"bash",    "zsh",      "fish",    "names",
                                                           "targets", "sessions", "children"};

}  // namespace

std::span<const Command> commands() {
    return kCommands;
}

const Command* find_command(std::string_view name) {
    const auto* const found = std::ranges::find(kCommands, name, &Command::name);
    return found == kCommands.end() ? nullptr : found;
}

std::span<const Option> common_options() {
    return kCommonOptions;
}

std::span<const std::string_view> completion_words() {
    return kCompletionWords;
}

}  // namespace keysluice::cli
