#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"
#include "daemon/shared/loop.hpp"
#include "daemon/shared/notify_address.hpp"

namespace keysluice {

/// How the service manager wants to hear of this process (sd_notify(3)).
struct ManagerContact {
    std::string socket;   ///< a path, or a name in the abstract namespace behind an '@'. Empty: nobody listens
    Duration watchdog{};  ///< it takes the process for stuck after such a silence; zero: never

    /// What $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID say.
    [[nodiscard]] static ManagerContact from_environment();
};

/// Tells the service manager, where there is one, that this process is ready, how it is, and that its loop turns.
///
/// The datagrams are written here and not by libsystemd (docs/decisions/0009). A service manager that does not listen
/// is never waited for: what does not fit into its queue is said a little later.
class ServiceManager final : Deadline {
   public:
    using Status = std::function<std::string()>;
    static constexpr Duration kPause = std::chrono::seconds(5);
    static constexpr Duration kRetry = std::chrono::milliseconds(100);

    ServiceManager(Loop& loop, ManagerContact contact);
    ~ServiceManager() override;

    /// One line for people: `systemctl status` shows it. Asked for every kPause, so it must be cheap.
    void show(Status status) { status_ = std::move(status); }

    /// The service does what it is for, or goes on after a reload.
    void ready() { say("READY=1"); }
    /// The configuration is being read anew; ready() ends it.
    void reloading();
    void stopping() { say("STOPPING=1"); }
    /// Whether there is one.
    [[nodiscard]] bool listens() const { return static_cast<bool>(socket_); }
    /// Nothing more is said: this process is no longer the service's.
    void leave();

   private:
    void say(std::string_view what);
    void on_deadline() override;
    [[nodiscard]] bool send(std::string_view text) const;

    Loop& loop_;
    ManagerContact contact_;
    std::optional<NotifyAddress> address_;
    Status status_;
    UniqueFd socket_;
    std::string owed_;  ///< to be said, each on a line of its own
    std::string last_status_;
};

}  // namespace keysluice
