#include <signal.h>
#include <sys/prctl.h>

#include <cstdio>
#include <filesystem>

#include "daemon/keeper/children.hpp"
#include "daemon/keeper/keeper.hpp"
#include "daemon/shared/arguments.hpp"
#include "daemon/shared/confinement.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/sealed_memory.hpp"
#include "daemon/shared/service_manager.hpp"
#include "daemon/shared/signals.hpp"
#include "daemon/shared/sockets.hpp"

using namespace keysluice;

namespace {

constexpr const char* kUsage =
    "keysluice-keeper holds what must outlive the other processes of keysluice. keysluiced starts it.\n"
    "  --runtime-directory DIR   where the processes meet (/run/keysluice)\n"
    "  --engines N               how many engines and relays there are\n"
    "  --log-level LEVEL         error, warning, info or debug\n"
    "  --all-in-one FILE         start the other processes too, with this configuration\n"
    "  --null-kernel             for them: IKE installs nothing in the kernel\n";

/// How the service manager calls the socket that it has made, by its unit.
constexpr const char* kDoor = "keysluice-keeper.socket";

/// Two descriptors a connection and at most two pipes of two: what a slot may cost, here for all relays together.
constexpr std::size_t kDescriptorsPerSlot = 6;

std::size_t places_for(std::size_t descriptor_limit) {
    return descriptor_limit > kReservedDescriptors ? (descriptor_limit - kReservedDescriptors) / kDescriptorsPerSlot
                                                   : 1;
}

std::vector<std::string> command(const std::string& program, const Arguments& arguments) {
    const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    return {folder / program, "--runtime-directory", arguments.runtime_directory, "--log-level",
            std::string(to_string(arguments.log_level))};
}

void start_children(Children& children, DescriptorShelf& shelf, const Arguments& arguments) {
    const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    std::vector<std::string> control{folder / "keysluiced", "--config", arguments.all_in_one};
    if (arguments.null_kernel) {
        control.emplace_back("--null-kernel");
    }
    children.start(
        {.name = "control", .arguments = std::move(control), .essential = true, .shelf = &shelf, .speaks = true});
    for (std::uint16_t i = 0; i < arguments.engines; ++i) {
        for (const std::string kind : {"engine", "relay"}) {
            auto words = command("keysluice-" + kind, arguments);
            words.insert(words.end(), {"--index", std::to_string(i)});
            children.start({.name = kind + " " + std::to_string(i), .arguments = std::move(words)});
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    const auto arguments = parse_arguments({argv, static_cast<std::size_t>(argc)});
    if (!arguments || arguments->help) {
        std::fputs(arguments ? kUsage : (arguments.error().sentence + "\n").c_str(), arguments ? stdout : stderr);
        return arguments ? 0 : 2;
    }
    DescriptorStore store = DescriptorStore::from_environment();
    open_log("keeper", arguments->log_level);
    // Whoever may trace this process could take the sockets that it holds, and with them the keys.
    prctl(PR_SET_DUMPABLE, 0);
    std::error_code error;
    std::filesystem::create_directories(arguments->runtime_directory, error);
    Loop loop;
    // With --all-in-one, keysluiced speaks to the service manager for all.
    const bool alone = arguments->all_in_one.empty();
    ServiceManager manager(loop, alone ? ManagerContact::from_environment() : ManagerContact{});
    std::unique_ptr<DescriptorShelf> shelf;
    Children children(loop);
    Signals signals(loop, {SIGTERM, SIGINT, SIGCHLD, SIGHUP}, [&](int signal) {
        if (signal == SIGCHLD) {
            children.reap();
        } else if (signal == SIGHUP) {
            children.signal("control", SIGHUP);
        } else {
            manager.stopping();
            children.stop();
        }
    });
    raise_memory_lock_limit();
    UniqueFd door = store.take(kDoor).value_or(UniqueFd{});
    auto keeper = Keeper::create(
        loop, arguments->runtime_directory, places_for(raise_descriptor_limit()),
        [&](std::uint16_t engine) { children.replace("engine " + std::to_string(engine)); }, std::move(door),
        Listeners(std::move(store)));
    if (!keeper) {
        log_error("{} ({})", keeper.error().sentence, keeper.error().reason);
        return 1;
    }
    manager.show([&] { return (*keeper)->status(); });
    if (!alone) {
        auto made = DescriptorShelf::create(loop, runtime_path(arguments->runtime_directory, "store.sock"));
        if (!made) {
            log_error("{} ({})", made.error().sentence, made.error().reason);
            return 1;
        }
        shelf = *std::move(made);
        start_children(children, *shelf, *arguments);  // which need more than the keeper does
    } else if (const auto confined = confine(Confined::keeper); !confined) {
        log_error("{} ({})", confined.error().sentence, confined.error().reason);
        return 1;
    }
    manager.ready();
    loop.run();
    return children.status();
}
