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

constexpr std::array kPolicyArguments{
    Argument{.name = "VERB",
             .words =
                 "show test diff verify commit confirm enable disable add modify clone delete move export import "
                 "keys renew-key"},
    Argument{.name = "NAME|FILE", .completes = Completes::file, .optional = true},
    Argument{.name = "KEY=VALUE", .optional = true, .many = true},
};
constexpr std::array kPolicyOptions{
    Option{.name = "candidate", .help = "of the files, as they are being edited"},
    Option{.name = "committed", .help = "of what was committed"},
    Option{.name = "direction", .value = "in|out", .help = "with test: which way the packets go"},
    Option{.name = "protocol", .value = "NAME", .help = "with test: the upper-layer protocol, or its number"},
    Option{.name = "local-address", .value = "RANGE", .help = "with test: an address, prefix or range of this side"},
    Option{.name = "remote-address", .value = "RANGE", .help = "with test: an address, prefix or range of the other"},
    Option{.name = "local-port", .value = "RANGE", .help = "with test: a port or range, or a type of ICMP"},
    Option{.name = "remote-port", .value = "RANGE", .help = "with test: a port or range, or a code of ICMP"},
    Option{.name = "output",
           .value = "FILE",
           .help = "with test and export: write the answer there",
           .completes = Completes::file},
    Option{
        .name = "confirm-within", .value = "TIME", .help = "with commit: else the set before holds again, as in 60s"},
    Option{.name = "before", .value = "NAME", .help = "with add, clone and move: the policy to come to stand before"},
    Option{.name = "name", .value = "NAME", .help = "with import: of the file in policies.d"},
    kInteractive,
};

// Which verb takes which of them: cli/key/verbs.cpp.
constexpr std::array kKeyArguments{
    Argument{.name = "VERB", .words = "generate define import export list delete replace"},
    Argument{.name = "NAME|FILE", .completes = Completes::file, .optional = true},
};
constexpr std::array kKeyOptions{
    Option{.name = "kind", .value = "KIND", .help = "what the key is for, which says how long it is"},
    Option{.name = "text", .help = "the key comes as text, not in hexadecimal"},
    Option{.name = "name", .value = "NAME", .help = "what an imported key is to be called"},
    Option{.name = "output", .value = "FILE", .help = "the new file to export to", .completes = Completes::file},
    Option{.name = "plain", .help = "export without a passphrase: whoever reads the file has the key"},
    Option{.name = "passphrase-file",
           .value = "FILE",
           .help = "where the passphrase of an exported key is, instead of asking for it",
           .completes = Completes::file},
    Option{.name = "generate", .help = "replace by a random key"},
    Option{.name = "from",
           .value = "FILE",
           .help = "replace by the key that this file has, as import takes it",
           .completes = Completes::file},
    Option{.name = "folder",
           .value = "DIR",
           .help = "where the keys are, instead of where keysluiced looks for them",
           .completes = Completes::file},
};

constexpr std::array kOneFile{Argument{.name = "FILE", .completes = Completes::file}};
constexpr std::array kImportOptions{
    Option{.name = "kind", .value = "KIND", .help = "whose it is: stunnel, swanctl, ipsec or setkey"},
    Option{.name = "output",
           .value = "FILE",
           .help = "write the result there instead of printing it",
           .completes = Completes::file},
    Option{.name = "keys",
           .value = "DIRECTORY",
           .help = "write secrets there, one file of mode 0600 each",
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
    Command{.name = "reauth",
            .arguments = kOneTarget,
            .options = kInteractiveOnly,
            .help = "Begin to put IKE SAs with new proofs in the place of those of a connection or group, or of one",
            .run = run_reauth},
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
    Command{.name = "import",
            .arguments = kOneFile,
            .options = kImportOptions,
            .help = "Make keysluice.toml of a configuration of stunnel, strongSwan, Libreswan or setkey",
            .run = run_import},
    Command{.name = "top",
            .arguments = kNoArguments,
            .options = kNoOptions,
            .help = "Show rates on a full screen, until q is pressed",
            .run = run_top},
    Command{.name = "policy",
            .arguments = kPolicyArguments,
            .options = kPolicyOptions,
            .help = "Show, edit, test and commit the ordered policies of this host, as keysluice-policy(7) has it",
            .run = run_policy},
    Command{.name = "key",
            .arguments = kKeyArguments,
            .options = kKeyOptions,
            .help = "Make, list, export, import, replace and delete the named keys of manual IPsec SAs",
            .run = run_key},
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
