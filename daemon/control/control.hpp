#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/control/configuration.hpp"
#include "daemon/control/front_desk.hpp"
#include "daemon/control/ike_service.hpp"
#include "daemon/control/signers.hpp"
#include "daemon/control/status_server.hpp"
#include "daemon/control/tls_sessions.hpp"
#include "daemon/shared/channel.hpp"
#include "daemon/shared/uplink.hpp"
#include "daemon/shared/users.hpp"
#include "ktls/probe.hpp"

namespace keysluice::control {

/// keysluiced at run time: binds the listening sockets (or gets them back from the keeper), tells engines and relays
/// what they serve, speaks IKE, and answers who asks for the status.
class Control final : public Uplink::Owner, public Channel::Owner {
   public:
    /// Nothing can be served, and a person has to mend it.
    using OnFailed = std::function<void()>;
    /// The listening sockets stand, IKE runs, and engines and relays may call.
    using OnReady = std::function<void()>;

    Control(
        Loop& loop, Configuration configuration, OnFailed on_failed,
        IkeService::Kernel ike_kernel = IkeService::Kernel::real, DescriptorStore store = {},
        OnReady on_ready = [] {});
    ~Control() override;

    /// Takes over the connections of IKE from a configuration that was read anew. No standing SA notices. What else
    /// has changed takes a restart, and the log says so.
    void reload(Configuration fresh, Occasion occasion);

    /// Whether another process can go on with everything when this one just ends.
    [[nodiscard]] bool outlived() const { return !ike_ || ike_->outlived(); }

    [[nodiscard]] const Configuration& configuration() const { return configuration_; }
    /// Null where it does not run.
    [[nodiscard]] IkeService* ike() const { return ike_.get(); }
    [[nodiscard]] const std::string& ike_refused() const { return ike_refused_; }
    [[nodiscard]] ChangeCollector& changes() { return changes_; }
    /// As StatusServer::count(); of nobody where nothing is served yet.
    void count(StatusServer::Counted then);

    [[nodiscard]] TlsSessions& sessions() { return sessions_; }
    /// Whether the service of this position takes connections, as far as its configuration goes.
    [[nodiscard]] bool is_open(std::size_t service) const { return !closed_.contains(service); }
    /// Listens again on the addresses of a service that was closed; one that is open stays as it is. Fails as
    /// bind_listener() does.
    [[nodiscard]] Result<void> open_service(std::size_t index);
    /// Takes no connection for it any more and resets those that it has; `done` is called once, as
    /// TlsSessions::end_all_of() does it.
    void close_service(std::size_t index, TlsSessions::Ended done);

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

    /// A process is here: the first of its name, or one that has taken over from it.
    void note_arrival(const std::string& name, std::uint32_t pid);
    void start_ike();
    [[nodiscard]] StatusServer::Document collect_status(std::vector<ProcessCounters> processes) const;
    void start_serving();
    [[nodiscard]] bool bind_missing();
    [[nodiscard]] bool bind_service(std::size_t index);
    [[nodiscard]] Result<void> bind_endpoint(const Endpoint& endpoint);
    void forget_unused();
    /// Listens on its addresses no more.
    void forget(std::size_t service);
    void share_unix_sockets();
    void tell_services(Peer& peer);
    void tell_service(Peer& peer, std::size_t index);
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
    std::map<std::string, UniqueFd> listeners_;
    std::map<std::size_t, UniqueFd> balances_;  ///< AcceptBalance's files, of services that listen on unix sockets
    std::list<Peer> peers_;
    std::set<std::size_t> closed_;  ///< services that were taken down
    Uplink keeper_;
    std::unique_ptr<ChannelListener> door_;
    std::unique_ptr<StatusServer> status_;
    IkeService::Kernel ike_kernel_;
    DescriptorStore store_;
    Signers signers_;
    ChangeCollector changes_;
    std::map<std::string, std::uint32_t> seen_;  ///< by the names of processes, the last one's pid; 0: not known
    TlsSessions sessions_;
    std::unique_ptr<IkeService> ike_;
    std::string ike_refused_;  ///< why there is none, though it is configured
    /// Which engine has loaded which service: an engine that dies and comes back loads everything again.
    std::set<std::pair<std::uint16_t, std::uint16_t>> loaded_;
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
