#include <signal.h>
#include <sys/prctl.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "daemon/shared/log.hpp"
#include "daemon/shared/signals.hpp"
#include "dbus/common/link.hpp"
#include "dbus/networkmanager/service.hpp"

using namespace keysluice;

namespace {

constexpr std::string_view kServiceName = "org.freedesktop.NetworkManager.keysluice";

/// NetworkManager says it in syslog's numbers, or nothing.
LogLevel wanted_log_level() {
    const char* text = std::getenv("NM_VPN_LOG_LEVEL");
    const int number = text == nullptr ? 0 : std::atoi(text);
    constexpr int kDebug = 7;
    return number >= kDebug ? LogLevel::debug : LogLevel::info;
}

/// Until the tunnel has come to its end, or the bus.
int serve(const std::string& name) {
    Loop loop;
    bool running = true;
    int status = 0;
    const auto fail_for = [&](const Error& error) {
        log_error("{} ({})", error.sentence, error.reason);
        running = false;
        status = 1;
    };
    auto link = bus::Link::open(loop, "system", [&](const std::string& why) { fail_for({"bus-unreachable", why}); });
    if (!link) {
        fail_for(link.error());
        return status;
    }
    networkmanager::Service service(loop, (*link)->connection(), [&] { running = false; });
    const Signals signals(loop, {SIGTERM, SIGINT}, [&](int) { service.stop(); });
    try {
        (*link)->connection().requestName(bus::BusName{name});
    } catch (const sdbus::Error& error) {
        fail_for({"bus-name-refused", fmt::format("the name {}: {}", name, error.getMessage())});
    }
    while (running) {
        (*link)->prepare();
        loop.turn(std::chrono::hours(1));
    }
    return status;
}

int read_command_line(int argc, char** argv) {
    CLI::App app{
        "nm-keysluice-service brings up one connection of NetworkManager's with keysluiced. NetworkManager "
        "starts it."};
    std::string name(kServiceName);
    app.add_option("--bus-name", name, "the name to have on the system bus")->capture_default_str();
    app.set_version_flag("--version", std::string(KEYSLUICE_VERSION));
    CLI11_PARSE(app, argc, argv);
    prctl(PR_SET_DUMPABLE, 0);  // it holds secrets
    open_log("nm-keysluice-service", wanted_log_level());
    return serve(name);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return read_command_line(argc, argv);
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "%s\n", problem.what());
        return 1;
    }
}
