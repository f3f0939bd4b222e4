#include "cli/bus_events.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "base/unique_fd.hpp"
#include "cli/bus_proxies.hpp"
#include "daemon/shared/clock.hpp"

namespace keysluice::cli {
namespace {

/// SIGINT and SIGTERM as something to wait for, while it exists.
class Interruption {
   public:
    Interruption() {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_BLOCK, &set, &before_);
        fd_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    }
    ~Interruption() {
        signalfd_siginfo taken{};
        while (::read(fd_.get(), &taken, sizeof taken) > 0) {  // what has come has had its effect
        }
        sigprocmask(SIG_SETMASK, &before_, nullptr);
    }
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;
    Interruption(Interruption&&) = delete;
    Interruption& operator=(Interruption&&) = delete;

    [[nodiscard]] int fd() const { return fd_.get(); }

   private:
    sigset_t before_{};
    UniqueFd fd_;
};

/// Milliseconds for poll(2), rounded up.
int timeout_of(const bus::Wait& wait) {
    if (!wait.until) {
        return -1;
    }
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(*wait.until - now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(rest, 0, 60'000));
}

/// Until the bus has something, or false: we are to end.
bool wait_for(const sdbus::IConnection& connection, const Interruption& interruption) {
    const bus::Wait wait = bus::wait_of(connection);
    std::array<pollfd, 2> watched{{{.fd = wait.fd, .events = wait.events, .revents = 0},
                                   {.fd = interruption.fd(), .events = POLLIN, .revents = 0}}};
    ::poll(watched.data(), watched.size(), timeout_of(wait));
    return watched[1].revents == 0;
}

void follow_until_interrupted(sdbus::IConnection& connection, Follower& follower) {
    const Interruption interruption;
    const auto broker = bus_proxy(connection);
    broker->uponSignal("NameOwnerChanged")
        .onInterface("org.freedesktop.DBus")
        .call([&follower](const std::string& name, const std::string& before, const std::string& after) {
            if (name == kBusName && before.empty() != after.empty()) {
                follower.service_is(!after.empty());
            }
        });
    bus::finish_registration(*broker);
    const ManagerProxy manager(connection, [&follower](std::uint64_t first, const std::vector<EventRow>& rows) {
        std::vector<Event> events;
        std::ranges::transform(rows, std::back_inserter(events), [](const EventRow& row) { return from_row(row); });
        follower.happened(first, events);
    });
    follower.service_is(service_runs(*broker));
    do {
        while (bus::process_one(connection)) {
        }
    } while (wait_for(connection, interruption));
}

}  // namespace

Result<void> follow_on_bus(const std::string& address, Follower& follower) {
    const auto connection = connect_to_bus(address);
    if (!connection) {
        return std::unexpected(connection.error());
    }
    try {
        follow_until_interrupted(**connection, follower);
    } catch (const sdbus::Error& error) {
        return fail("bus-unreachable", fmt::format("the bus has gone: {}", error.getMessage()));
    }
    return {};
}

}  // namespace keysluice::cli
