#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/control/change_collector.hpp"
#include "daemon/control/configuration.hpp"
#include "daemon/control/esp_support.hpp"
#include "daemon/control/ike_status.hpp"
#include "daemon/control/policy_service.hpp"
#include "daemon/control/reloader.hpp"
#include "daemon/control/sa_counters.hpp"
#include "daemon/control/tls_sessions.hpp"
#include "daemon/shared/timer.hpp"

namespace keysluice::control {

class Control;

/// One [[ike.connection]], for a person and for programs. No member holds a secret.
struct ConnectionView {
    std::string name;
    std::vector<std::string> groups;
    std::string local;
    std::string remote;
    std::string local_id;
    std::string remote_id;
    std::string auth;
    std::string remote_auth;
    std::string start;
    std::string interface;  ///< empty: none
    std::vector<std::string> children;
    std::vector<RefusedChild> refused;
    std::vector<std::string> gateways;  ///< where there are several
    std::string gateway;                ///< the one of them that is in use, or tried next

    bool operator==(const ConnectionView&) const = default;
};

/// One [[tls.service]].
struct ServiceView {
    TlsService settings;
    bool open = true;  ///< it takes connections, as far as its configuration goes
};

/// What the configuration makes of the service.
struct Setup {
    bool ike = false;  ///< it runs
    std::string ike_failure;
    bool null_kernel = false;
    std::vector<ConnectionView> connections;  ///< the first kMostListed
    std::vector<ServiceView> services;        ///< the first kMostListed
    std::vector<std::string> removed;         ///< services that are configured no more, and have connections
    std::set<std::string> owners;             ///< callers whose connections go with them

    static constexpr std::size_t kMostListed = 4096;
};

/// All that are given must be met.
struct SaFilter {
    std::optional<std::string> connection;
    std::optional<std::string> group;
    std::optional<std::string> remote_id;
};

/// IKE SAs in the order of their own SPIs.
struct SaPage {
    std::vector<IkeSaView> sas;
    std::optional<ike::IkeSpi> next;  ///< where to go on after it; nothing: that were all
};

/// All that are given must be met.
struct TlsFilter {
    std::optional<std::string> service;
    std::optional<std::string> group;
};

/// Something that an administrator wants done.
struct Command {
    enum class Verb : std::uint8_t { up, down, rekey, reauthenticate };
    Verb verb = Verb::up;
    /// What may have the name: the first of these that has it.
    enum class Among : std::uint8_t { all, connections, services };
    std::string name;          ///< of a connection, a TLS service or, where neither is, a group; unused with `sa`
    Among among = Among::all;  ///< other than `all`: no group either
    std::optional<ike::IkeSpi> sa;  ///< this one only; not with `up`
    std::string child;              ///< of `up` and `rekey`; empty: all of them, or the IKE SA itself
};

struct News {
    Changes changes;
    std::vector<IkeSaView> touched;  ///< of changes.touched those that still stand
    std::optional<Setup> setup;
};

/// What can be seen of the running service and asked of it, as values: the bus is a view of it. It works in the loop
/// of the service, and never longer at a time than a packet can wait: what is much comes in pages, and what is to be
/// done for many connections is done for a few at a time.
class FrontDesk {
   public:
    static constexpr std::size_t kLongestPage = 256;
    /// IKE SAs that are looked at for one page, whether the filter takes them or not.
    static constexpr std::size_t kMostLookedAt = 2048;
    static constexpr std::size_t kStepsAtOnce = 8;

    FrontDesk(Loop& loop, Control& control, Reloader& reloader, PolicyService& policies);
    ~FrontDesk();
    FrontDesk(const FrontDesk&) = delete;
    FrontDesk& operator=(const FrontDesk&) = delete;

    [[nodiscard]] Setup setup() const;
    [[nodiscard]] SaPage sas(const SaFilter& filter, ike::IkeSpi after, std::size_t limit) const;
    /// Calls `then` once, when something has happened.
    void news(std::move_only_function<void(News)> then);

    /// Calls `then` once, within some seconds, with what engines and relays have counted for the service since each
    /// of them began.
    struct Counts {
        std::map<std::string, std::uint64_t> values;
        std::uint32_t silent = 0;  ///< processes that have not answered
    };
    void counts(const std::string& service, std::move_only_function<void(Counts)> then);

    /// Calls `answer` once, with what the kernel has counted for the CHILD SAs of this IKE SA. Fails as
    /// IkeService::count() does, and with "not-found".
    void sa_counters(ike::IkeSpi spi, SaCounters::Answer answer) const;

    /// Calls `then` once, as TlsSessions::list() does.
    void tls_sessions(const TlsFilter& filter, TlsSessionId after, std::size_t limit, TlsSessions::Listed then);
    /// Resets it. Fails with "not-found" and as TlsSessions::end() does.
    void end_session(TlsSessionId session, TlsSessions::Ended answer);

    /// How many connections and services have begun, or how many IKE SAs and TLS sessions are told to. Fails with
    /// "ike-not-running", "not-found" and, where none can begin, as IkeService::up() and Control::open_service() do.
    using Answer = std::move_only_function<void(Result<std::uint32_t>)>;
    void command(const Command& command, Answer answer);

    /// How many connections there are now, or why everything stays as it is.
    using Reloaded = std::move_only_function<void(std::expected<std::uint32_t, Refusal>)>;
    void reload(Reloaded answer);
    /// As PolicyService::ask().
    void policies(PolicyRequest request, PolicyService::Answer answer);
    /// As Reloader::change().
    void change(ConnectionChange change, Reloaded answer);
    /// How long owners of connections of the process before may take to add them here.
    static constexpr Duration kClaim = std::chrono::seconds(30);
    /// From one try to remove connections whose owners have gone to the next.
    static constexpr Duration kAgain = std::chrono::seconds(10);
    /// What this owner has added goes, and the IKE SAs of it are closed. The log says what does not work.
    void remove_all_of(const std::string& owner);

   private:
    /// A command for several connections.
    struct UnderWay {
        Command command;
        std::vector<ike::ConnectionPtr> connections;
        Answer answer;
        std::size_t done = 0;
        std::uint32_t count = 0;
        std::optional<Error> refused = {};
    };
    [[nodiscard]] Error not_running() const;
    [[nodiscard]] Result<const ike::Sa*> find(ike::IkeSpi spi) const;
    [[nodiscard]] Result<std::vector<ike::ConnectionPtr>> connections_for(const Command& command) const;
    [[nodiscard]] std::vector<ServiceId> services_for(const Command& command) const;
    [[nodiscard]] Result<std::uint32_t> command_one(const Command& command, ike::IkeSpi spi) const;
    void begin(UnderWay fresh);
    void close_services(std::vector<ServiceId> services, UnderWay fresh);
    void open_services(const std::vector<ServiceId>& services, UnderWay& fresh);
    /// `again` where it can't be.
    void remove(const std::string& name, std::string_view why, std::function<void()> again);
    void remove_awaited();
    void work();
    void work_on(UnderWay& now, const ike::Connection& rules);
    [[nodiscard]] Reloader::Outcome counting(Reloaded answer) const;

    Loop& loop_;
    Control& control_;
    Reloader& reloader_;
    PolicyService& policies_;
    std::deque<UnderWay> under_way_;
    Timer claims_;
    std::set<std::string> gone_;  ///< owners whose connections could not be removed
    Timer again_;
};

}  // namespace keysluice::control
