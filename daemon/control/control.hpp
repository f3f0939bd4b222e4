#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/control/configuration.hpp"
#include "daemon/control/front_desk.hpp"
#include "daemon/control/ike_service.hpp"
#include "daemon/control/removed_services.hpp"
#include "daemon/control/service_loading.hpp"
#include "daemon/control/service_plan.hpp"
#include "daemon/control/signers.hpp"
#include "daemon/control/status_server.hpp"
#include "daemon/control/ticket_keys.hpp"
#include "daemon/control/tls_sessions.hpp"
#include "daemon/shared/channel.hpp"
#include "daemon/shared/uplink.hpp"
#include "daemon/shared/users.hpp"
#include "ktls/probe.hpp"

namespace keysluice::control {

/// keysluiced at run time: binds the listening sockets (or gets them back from the keeper), tells engines and relays
/// what they serve, speaks IKE, and answers who asks for the status.
class Control final : public Uplink::Owner, public Channel::Owner, public ChildPolicies {
   public:
    /// Nothing can be served, and a person has to mend it.
    using OnFailed = std::function<void()>;
    /// The listening sockets stand, IKE runs, and engines and relays may call.
    using OnReady = std::function<void()>;

    Control(
        Loop& loop, Configuration configuration, OnFailed on_failed,
        IkeService::Kernel ike_kernel = IkeService::Kernel::real, DescriptorStore store = {},
        OnReady on_ready = [] {}, ListedChildren listed = {});
    ~Control() override;

    /// What could not be taken over of a configuration, and stays as it was.
    using Reloaded = std::move_only_function<void(Diagnostics left_out)>;
    /// Takes over a configuration that was read anew: IKE's connections, and the TLS services unless only a
    /// connection is another one. No standing SA and no connection notices. The rest takes a restart, and the log
    /// says so. `done` is called once; until then, this is not called again.
    void reload(Configuration fresh, Occasion occasion, Reloaded done);
    /// What is wrong since the last reload, for the status.
    void note_reload(Diagnostics wrong) { reload_problems_ = std::move(wrong); }

    /// Whether another process can go on with everything when this one just ends.
    [[nodiscard]] bool outlived() const { return !ike_ || ike_->outlived(); }

    [[nodiscard]] std::vector<ChildPolicy> child_policies() const override;
    void follow(const ListedChildren& listed, std::span<const ChildPolicy> placed) override;

    [[nodiscard]] const Configuration& configuration() const { return configuration_; }
    /// Null where it does not run.
    [[nodiscard]] IkeService* ike() const { return ike_.get(); }
    [[nodiscard]] const std::string& ike_refused() const { return ike_refused_; }
    [[nodiscard]] ChangeCollector& changes() { return changes_; }
    /// As StatusServer::count(); of nobody where nothing is served yet.
    void count(StatusServer::Counted then);

    [[nodiscard]] TlsSessions& sessions() { return sessions_; }
    /// Services that are configured no more and have connections.
    [[nodiscard]] const RemovedServices& removed() const { return removed_; }
    /// Whether the service takes connections, as far as its configuration goes.
    [[nodiscard]] bool is_open(ServiceId service) const { return !closed_.contains(service); }
    /// Listens again on the addresses of a service that was closed; one that is open stays as it is. Fails as
    /// bind_listener() does, and with "not-found".
    [[nodiscard]] Result<void> open_service(ServiceId id);
    /// Takes no connection for it any more and resets those that it has; `done` is called once, as
    /// TlsSessions::end_all_of() does it.
    void close_service(ServiceId id, TlsSessions::Ended done);

    /// Takes leave of IKE's peers; `done` follows within IkeService::kFarewell.
    void stop(std::function<void()> done);

    /// One line on how it is.
    [[nodiscard]] std::string status() const;
    [[nodiscard]] std::size_t engines() const { return configuration_.daemon.engines; }

   private:
    struct Peer {
        std::unique_ptr<Channel> channel;
        Hello hello;
        bool known = false;
    };

    void on_message(Uplink& uplink, Message message, Descriptors descriptors) override;
    void on_connected(Uplink& uplink) override;
    void on_message(Channel& channel, Message message, Descriptors descriptors) override;
    void on_closed(Channel& channel, std::string_view why) override;

    /// Removed services are looked at so often.
    static constexpr Duration kRemovalTick = std::chrono::seconds(10);
    using Sockets = std::map<std::string, UniqueFd>;  ///< by listener_name()

    /// A process is here: the first of its name, or one that has taken over from it.
    void note_arrival(const std::string& name, std::uint32_t pid);
    void start_ike();
    [[nodiscard]] StatusServer::Document collect_status(std::vector<ProcessCounters> processes) const;
    void start_serving();
    [[nodiscard]] bool bind_missing();
    [[nodiscard]] bool bind_service(std::size_t index);
    [[nodiscard]] Result<void> bind_endpoint(const Endpoint& endpoint);
    /// Binds what is not among listeners_.
    [[nodiscard]] Result<void> bind_endpoint(const Endpoint& endpoint, Sockets& sockets);
    [[nodiscard]] bool has_neighbour(const Endpoint& endpoint) const;
    void hold(const std::string& name, UniqueFd listener);
    void forget_unused();
    /// Listens on its addresses no more.
    void forget(const TlsService& service);
    void share_unix_sockets();
    [[nodiscard]] std::chrono::milliseconds longest_session() const;
    void tell_tickets(Peer& peer);
    /// Has all engines and relays count from nothing, and register what they have: one has died, and what it had
    /// counted went with it or is its successor's.
    void renew_limits();
    void tell_limits(Peer& peer);
    void tell_services(Peer& peer);
    void tell_service(Peer& peer, std::size_t index, std::uint32_t load = 0);
    [[nodiscard]] std::optional<std::size_t> index_of(ServiceId id) const;
    /// Of a service that is or was configured; null where nobody knows it.
    [[nodiscard]] const TlsService* find_service(ServiceId id) const;
    void set_services(std::vector<ServiceEntry> services);

    /// A reload of the services, from reading the configuration until they are used.
    struct ServiceReload {
        std::vector<ServiceEntry> fresh;
        Reloaded done;
        Sockets sockets = {};
        std::map<std::string, Diagnostic> wrong = {};  ///< by the service's name
    };
    void warn_of_restart(const Configuration& fresh) const;
    void reload_services(std::vector<ServiceEntry> fresh, Reloaded done);
    void bind_fresh(const ServiceEntry& entry);
    void load_services();
    void use_services(const ServiceLoading::Outcome& outcome);
    void blame(const ServiceLoading::Outcome& outcome);
    void remove_services(const ServicePlan& plan);
    void take_sockets();
    void tell_news(const ServicePlan& plan, const ServiceLoading::Outcome& outcome);
    void finish_reload(const ServicePlan& plan);
    /// Looks whether removed services have ended.
    void look_at_removed();
    void forget_idle(const std::vector<ProcessCounters>& counted);
    void on_answer(const Peer& peer, Message message);
    void on_failures(const Failures& failures);
    [[nodiscard]] std::vector<Hello> send_all(const Message& message);
    void on_loaded(const Peer& peer, const ServiceLoaded& loaded);

    Loop& loop_;
    Users users_ = Users::look_up();
    Configuration configuration_;
    OnFailed on_failed_;
    OnReady on_ready_;
    ktls::Capabilities kernel_;
    std::unordered_map<ServiceId, std::size_t> index_;  ///< of services in configuration_
    Sockets listeners_;
    std::map<ServiceId, UniqueFd> balances_;  ///< AcceptBalance's files, of services that listen on unix sockets
    UniqueFd limits_;                         ///< LimitMemory's file; none where nothing is limited
    std::list<Peer> peers_;
    std::set<ServiceId> closed_;  ///< services that were taken down
    RemovedServices removed_;
    Timer removal_{loop_, [this] { look_at_removed(); }};
    Uplink keeper_;
    std::unique_ptr<ChannelListener> door_;
    std::unique_ptr<StatusServer> status_;
    IkeService::Kernel ike_kernel_;
    DescriptorStore store_;
    TicketKeys tickets_;
    Signers signers_;
    ChangeCollector changes_;
    std::map<std::string, std::uint32_t> seen_;  ///< by the names of processes, the last one's pid; 0: not known
    TlsSessions sessions_;
    ServiceLoading loading_;
    std::unique_ptr<ServiceReload> reload_;  ///< that is under way
    Diagnostics reload_problems_;
    ListedChildren listed_;  ///< of the policies that hold
    std::unique_ptr<IkeService> ike_;
    std::string ike_refused_;  ///< why there is none, though it is configured
    /// Which engine has loaded which service: an engine that dies and comes back loads everything again.
    std::set<std::pair<std::uint16_t, ServiceId>> loaded_;
    bool said_ready_ = false;
};

struct ConfigurationFile {
    std::string path;
    std::string credentials;  ///< as for read_configuration()
};

/// Shows the service to others for as long as it exists.
struct Publication {
    Publication() = default;
    Publication(const Publication&) = delete;
    Publication& operator=(const Publication&) = delete;
    virtual ~Publication() = default;
};
/// `bus` as in DaemonSettings, and not "none".
using Publish = std::function<std::unique_ptr<Publication>(Loop& loop, FrontDesk& desk, const std::string& bus)>;

/// The control process from its start to the signal that ends it. Returns the exit status of the program.
/// SIGHUP reads the configuration again, from its file. SIGINT takes leave of IKE's peers; so does SIGTERM, unless
/// another process can go on where this one ends.
[[nodiscard]] int serve(Configuration configuration, const ConfigurationFile& file, IkeService::Kernel ike_kernel,
                        const Publish& publish);

}  // namespace keysluice::control
