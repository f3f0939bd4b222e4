#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#include <cstdio>

#include "daemon/relay/relay.hpp"
#include "daemon/shared/arguments.hpp"
#include "daemon/shared/confinement.hpp"
#include "daemon/shared/inherited.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/sealed_memory.hpp"
#include "daemon/shared/service_manager.hpp"
#include "daemon/shared/signals.hpp"
#include "daemon/shared/sockets.hpp"

using namespace keysluice;

namespace {

constexpr const char* kUsage =
    "keysluice-relay moves the bytes of connections that the kernel encrypts. keysluiced or the keeper starts it.\n"
    "  --runtime-directory DIR   where the processes meet (/run/keysluice)\n"
    "  --index N                 which relay of several this one is\n"
    "  --log-level LEVEL         error, warning, info or debug\n";

}  // namespace

int main(int argc, char** argv) {
    const auto arguments = parse_arguments({argv, static_cast<std::size_t>(argc)});
    if (!arguments || arguments->help) {
        std::fputs(arguments ? kUsage : (arguments.error().sentence + "\n").c_str(), arguments ? stdout : stderr);
        return arguments ? 0 : 2;
    }
    static_cast<void>(take_inherited());
    open_log("relay " + std::to_string(arguments->index), arguments->log_level);
    // Whoever may trace this process could take its sockets, and with them the keys.
    prctl(PR_SET_DUMPABLE, 0);
    static_cast<void>(raise_descriptor_limit());
    raise_memory_lock_limit();
    // Let a sender finish its slice before we wake up for a single record (docs/decisions/0005).
    const sched_param ordinary{};
    static_cast<void>(sched_setscheduler(0, SCHED_BATCH, &ordinary));
    Loop loop;
    ServiceManager manager(loop, ManagerContact::from_environment());
    Relay relay(loop, arguments->runtime_directory, arguments->index, [&] { manager.ready(); });
    manager.show([&] { return relay.status(); });
    Signals signals(loop, {SIGTERM, SIGINT}, [&](int /*signal*/) {
        manager.stopping();
        loop.stop();
    });
    if (const auto confined = confine(Confined::relay); !confined) {
        log_error("{} ({})", confined.error().sentence, confined.error().reason);
        return 1;
    }
    loop.run();
    return 0;
}
