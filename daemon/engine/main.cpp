#include <openssl/ssl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>

#include "daemon/engine/engine.hpp"
#include "daemon/shared/arguments.hpp"
#include "daemon/shared/confinement.hpp"
#include "daemon/shared/inherited.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/service_manager.hpp"
#include "daemon/shared/signals.hpp"
#include "daemon/shared/sockets.hpp"

using namespace keysluice;

namespace {

constexpr const char* kUsage =
    "keysluice-engine negotiates TLS. keysluiced or the keeper starts it.\n"
    "  --runtime-directory DIR   where the processes meet (/run/keysluice)\n"
    "  --index N                 which engine of several this one is\n"
    "  --log-level LEVEL         error, warning, info or debug\n"
    "SIGTERM drains: it accepts nothing more and ends with its last connection. SIGINT ends it at once.\n";

/// Below a service manager, which starts a successor only when the service's process has ended: so long may the
/// connections in userspace that are left to another process go on.
constexpr auto kLongestDetached = std::chrono::seconds(30);

/// SIGTERM. Whoever is the service manager's process ends now; where connections are left, a child drains.
void end_in_order(Engine& engine, ServiceManager& manager) {
    if (!manager.listens() || !engine.busy()) {
        engine.drain();
        return;
    }
    const pid_t child = fork();
    if (child > 0) {
        _exit(0);  // all that this process has is the child's: nothing is to be closed in order
    }
    manager.leave();
    restore_signals();  // the next signal ends it at once
    ::signal(SIGPIPE, SIG_IGN);
    engine.drain(kLongestDetached);  // where fork failed, the service manager waits for us
}

}  // namespace

int main(int argc, char** argv) {
    const auto arguments = parse_arguments({argv, static_cast<std::size_t>(argc)});
    if (!arguments || arguments->help) {
        std::fputs(arguments ? kUsage : (arguments.error().sentence + "\n").c_str(), arguments ? stdout : stderr);
        return arguments ? 0 : 2;
    }
    static_cast<void>(take_inherited());
    open_log("engine " + std::to_string(arguments->index), arguments->log_level);
    // Private keys live here: no core file, no debugger of the same user.
    prctl(PR_SET_DUMPABLE, 0);
    // Its configuration may name modules: nothing can be loaded later.
    OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG, nullptr);
    Loop loop;
    ServiceManager manager(loop, ManagerContact::from_environment());
    Engine engine(loop, arguments->runtime_directory, arguments->index, raise_descriptor_limit(),
                  [&] { manager.ready(); });
    manager.show([&] { return engine.status(); });
    Signals signals(loop, {SIGTERM, SIGINT}, [&](int signal) {
        manager.stopping();
        if (signal == SIGTERM) {
            end_in_order(engine, manager);
        } else {
            loop.stop();
        }
    });
    if (const auto confined = confine(Confined::engine); !confined) {
        log_error("{} ({})", confined.error().sentence, confined.error().reason);
        return 1;
    }
    loop.run();
    return 0;
}
