#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "daemon/control/change_collector.hpp"
#include "daemon/control/child_installer.hpp"
#include "daemon/control/esp_support.hpp"
#include "daemon/control/ike_configuration.hpp"
#include "daemon/control/ike_errands.hpp"
#include "daemon/control/ike_paths.hpp"
#include "daemon/control/ike_sockets.hpp"
#include "daemon/control/ike_state.hpp"
#include "daemon/control/ike_status.hpp"
#include "daemon/control/interfaces.hpp"
#include "daemon/control/kernel_events.hpp"
#include "daemon/control/signers.hpp"
#include "daemon/shared/system_random.hpp"
#include "daemon/shared/timer.hpp"
#include "ike/endpoint.hpp"

namespace keysluice::control {

/// IKE at run time: what comes from sockets, kernel and clock goes into ike::Endpoint, and what it wants done goes
/// out to them and into the log.
class IkeService final : IkeSockets::Owner, ChildInstaller::Owner {
   public:
    /// How long the peers may take to hear that everything ends.
    static constexpr Duration kFarewell = std::chrono::seconds(2);
    /// Between attempts to start a connection to which there is no way.
    static constexpr Duration kNoRoutePause = std::chrono::seconds(5);

    /// How long what nobody negotiated in this process may carry traffic in the kernel.
    static constexpr Duration kOrphanPatience = std::chrono::minutes(10);
    /// The same where no connection is configured: one that was added to an earlier process may be added again.
    static constexpr Duration kStrayPatience = Interfaces::kPatience;

    /// From the process before, and for the next one.
    struct Inheritance {
        DescriptorStore& store;
        std::unique_ptr<IkeState> state;  ///< null: IKE SAs end with this process
        ListedChildren listed = {};       ///< of the policies that hold
    };

    enum class Kernel : std::uint8_t {
        real,
        null,  ///< SAs are negotiated and never installed: for benchmarks
    };

    /// Binds the sockets, opens the kernel, starts the connections that are to be up. The configuration's secrets are
    /// loaded and its names looked up. Fails as IkeSockets, xfrm::Kernel and probe_for_ike() do.
    /// `signers` know the configuration's private keys.
    ///
    /// What `inheritance` has of an earlier process goes on: IKE SAs, and the CHILD SAs that the kernel has of them.
    [[nodiscard]] static Result<std::unique_ptr<IkeService>> start(Loop& loop, const IkeConfiguration& configuration,
                                                                   Kernel kernel, Signers& signers,
                                                                   Inheritance inheritance);
    /// The same with another SAD and SPD than the kernel's, for tests: hear() tells what they do on their own.
    [[nodiscard]] static Result<std::unique_ptr<IkeService>> start(Loop& loop, const IkeConfiguration& configuration,
                                                                   std::unique_ptr<Databases> databases,
                                                                   Signers& signers, Inheritance inheritance);
    ~IkeService() override;

    void hear(const xfrm::Event& event);
    void hear(const netlink::LinkChange& change);

    /// The connections that hold from now on, complete as for start(). SAs that stand go on with what they were made
    /// with. What start() would bring up is brought up; with a mere change, not what was taken down().
    void reload(std::vector<IkeConnection> connections, Occasion occasion = Occasion::reload);

    /// As ChildPolicies has them.
    [[nodiscard]] std::vector<ChildPolicy> child_policies() const;
    void follow(const ListedChildren& listed, std::span<const ChildPolicy> placed);

    /// Whether another process can go on with the IKE SAs when this one just ends.
    [[nodiscard]] bool outlived() const { return state_ != nullptr; }

    /// Closes all IKE SAs and takes everything out of the kernel. `done` is called once, after kFarewell at the
    /// latest.
    void stop(std::function<void()> done);

    [[nodiscard]] IkeView view() const;
    /// How much there is, without looking at each.
    struct Load {
        std::size_t ike_sas = 0;
        std::size_t half_open = 0;
        std::size_t child_sas = 0;
    };
    [[nodiscard]] Load load() const;
    [[nodiscard]] IkeSaView view(const ike::Sa& sa) const;
    [[nodiscard]] const ike::Endpoint& endpoint() const { return endpoint_; }
    /// By our SPI; null where it is dead or there is none.
    [[nodiscard]] const ike::Sa* find(ike::IkeSpi spi) const;
    /// Children of the connection that can't be negotiated.
    [[nodiscard]] std::vector<RefusedChild> refused(const std::string& connection) const;
    [[nodiscard]] bool null_kernel() const { return kernel_ == nullptr; }

    /// Starts the connection now, or its child of that name. Fails with "no-route", with "kernel-lacks" where none of
    /// its children can be negotiated, and with "ike-not-running" once everything ends.
    [[nodiscard]] Result<void> up(const ike::Connection& rules, const std::string& child);
    /// Closes a connection's IKE SAs, or the one. Returns how many.
    std::uint32_t down(const std::string& connection, std::optional<ike::IkeSpi> sa = {});
    /// Rekeys them, or their child of that name. Returns how many are told to.
    std::uint32_t rekey(const std::string& connection, const std::string& child, std::optional<ike::IkeSpi> sa = {});

    /// Puts others in the place of those that this end began. Returns how many are told to; fails with
    /// "reauth-by-peer" where the peer began all of them.
    Result<std::uint32_t> reauthenticate(const std::string& connection, std::optional<ike::IkeSpi> sa = {});

    /// What the kernel has counted for the CHILD SAs of an IKE SA. Fails as SaCounters does, and with
    /// "ike-not-running" where there is no kernel.
    void count(const ike::Sa& sa, SaCounters::Answer answer) const;

    /// Tells it what happens from now on.
    void tell(ChangeCollector& changes) { changes_ = &changes; }

   private:
    IkeService(Loop& loop, const IkeConfiguration& configuration, Signers& signers, DescriptorStore& store,
               std::unique_ptr<IkeState> state, std::uint32_t epoch);
    [[nodiscard]] static std::unique_ptr<IkeService> inherit(Loop& loop, const IkeConfiguration& configuration,
                                                             Signers& signers, Inheritance inheritance);

    [[nodiscard]] Result<xfrm::Kernel> open_kernel();
    /// The connections go without what the kernel lacks, or are refused.
    EspFit fit_to(const xfrm::Capabilities& kernel);
    [[nodiscard]] Result<void> open_sockets(bool into_kernel);
    [[nodiscard]] Result<void> install_into(std::unique_ptr<Databases> databases, ListedChildren listed);
    void adopt_children(Inventory found);
    [[nodiscard]] std::optional<ike::Event> look_for(const ike::ChildSa& child, Inventory& found);
    void go(std::string_view remark);
    void on_datagram(const UdpEndpoint& local, const UdpEndpoint& remote, Bytes bytes) override;
    void adopt_connections();
    void begin_connections();
    /// Addresses or routes of this host are others than before.
    void follow_routes();
    void follow_routes(const IkeConnection& connection);
    [[nodiscard]] bool begin(const IkeConnection& connection);
    /// Outer addresses of a connection that starts here, and the peer's port.
    struct Ends {
        IpAddress local;
        UdpEndpoint remote;
    };
    [[nodiscard]] Result<Ends> ends_of(const ike::Connection& rules) const;
    [[nodiscard]] static Result<Ends> ends_towards(const ike::Connection& rules, const UdpEndpoint& remote);
    void initiate(const std::string& connection, const std::string& child, const Ends& ends,
                  const std::optional<ike::PacketSelectors>& packet = {}, bool probe = false);
    void trap(const ike::Connection& rules, const Ends& ends);
    // ike_gateways.cpp
    [[nodiscard]] const IkeConnection* find_connection(const std::string& name) const;
    [[nodiscard]] bool is_trapped(const IkeConnection& connection) const;
    void untrap_others();
    bool trap_gateways(const ike::Connection& rules);
    [[nodiscard]] static Result<Ends> ends_towards_any(const ike::Connection& rules, UdpEndpoint gateway);
    void seek(const ike::Connection& rules, const std::string& child, const UdpEndpoint& gateway,
              const std::optional<ike::PacketSelectors>& packet = {}, bool probe = false);
    [[nodiscard]] bool begin_with_gateways(const IkeConnection& connection);
    void on_kernel(ike::Event event) override { take(std::move(event)); }
    void on_wanted(const ike::ChildSaSpec& child, const xfrm::Selector& packet) override;
    void on_progress() override { check_farewell(); }
    /// The only door to the endpoint. An event that another one's actions lead to waits until they are performed.
    void take(ike::Event event);
    void perform(ike::Actions actions);
    void perform(const ike::SendDatagram& action);
    void perform(ike::InstallChild action);
    void perform(ike::InstallOutbound action);
    void perform(ike::Sign action);
    void perform(ike::VerifyPeer action);
    void perform(ike::AnswerTls action);
    void on_tls_turn(const ike::AnswerTls& asked, Result<TlsTurnAnswered> answer);
    void perform(ike::ExchangeKeys action);
    void perform(const ike::FindPaths& action);
    void perform(const ike::SeekGateway& action);
    void perform(const ike::CountTraffic& action);
    void perform(const ike::StateChanged& action);
    void perform(const ike::Report& report);
    [[nodiscard]] std::uint32_t count(const std::string& connection, std::optional<ike::IkeSpi> sa,
                                      const std::function<bool(const ike::Sa&)>& takes) const;
    template <typename Action>
        requires requires(ChildInstaller& kernel, Action&& action) { kernel.perform(std::forward<Action>(action)); }
    void perform(Action&& action) {
        if (kernel_) {
            kernel_->perform(std::forward<Action>(action));
        }
    }
    [[nodiscard]] const OffloadState* offload_of(const ChildView& child) const;
    void follow_interfaces();
    void check_farewell();
    void finish();

    Loop& loop_;
    IkeConfiguration configuration_;
    DescriptorStore& store_;
    std::unique_ptr<IkeState> state_;
    std::uint32_t epoch_;
    std::optional<xfrm::Capabilities> kernel_has_;
    std::vector<RefusedChild> refused_;
    SystemRandom random_;
    ike::Endpoint endpoint_;
    std::unique_ptr<IkeSockets> sockets_;
    std::unique_ptr<ChildInstaller> kernel_;  ///< null with Kernel::null
    std::unique_ptr<Interfaces> interfaces_;  ///< null where nothing is installed
    std::unique_ptr<KernelEvents<xfrm::Events>> events_;
    std::unique_ptr<KernelEvents<netlink::LinkEvents>> links_;
    std::unique_ptr<PathWatch> paths_;
    ChangeCollector* changes_ = nullptr;
    std::deque<ike::Event> waiting_;
    bool taking_ = false;
    bool interfaces_touched_ = false;  ///< what they are to be may have changed
    Signers& signers_;
    IkeErrands errands_;
    std::vector<const IkeConnection*> unreachable_;
    std::set<std::string> wayless_;  ///< connections whose peers no route led to when routes changed last
    std::set<std::string> down_;     ///< connections that were taken down and not brought up again
    Timer deadline_;
    Timer retry_;
    Timer farewell_;
    Timer orphans_;
    std::function<void()> on_stopped_;
};

}  // namespace keysluice::control
