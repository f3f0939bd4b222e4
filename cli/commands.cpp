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
constexpr std::array kOneSession{Argument{.name = "NAME|SPI", .completes = Completes::sessions}};
constexpr std::array kSomeSession{Argument{.name = "NAME|SPI", .completes = Completes::sessions, .optional = true}};

constexpr std::array kListOptions{
    Option{.name = "ike", .help = "IKE SAs, without their CHILD SAs"},
    Option{.name = "child", .help = "CHILD SAs alone"},
    Option{.name = "tls", .help = "TLS services"},
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
            .help = "List IKE SAs, CHILD SAs and TLS services, as swanctl --list-sas does",
            .watchable = true,
            .run = run_list},
    Command{.name = "show",
            .arguments = kOneSession,
            .options = kNoOptions,
            .help = "Show everything about one connection, TLS service or IKE SA",
            .watchable = true,
            .run = run_show},
};

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

}  // namespace keysluice::cli
