#pragma once

#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ike/connection_table.hpp"
#include "ike/cookies.hpp"
#include "ike/deadlines.hpp"
#include "ike/events.hpp"
#include "ike/exchange.hpp"
#include "ike/gateways.hpp"
#include "ike/leases.hpp"
#include "ike/sa.hpp"
#include "ike/sa_index.hpp"
#include "ike/wanted.hpp"

namespace keysluice::ike {

/// All IKE SAs of a process: events in, actions out. It has no socket, no clock and no randomness of its own, and
/// does not call back: two of them and a simulated network fit into one test.
class Endpoint final : private Registry {
   public:
    Endpoint(Settings settings, Random& random);
    ~Endpoint() override;

    /// The connections that hold from now on. IKE SAs that stand keep the one that they were made by.
    void configure(const std::vector<ConnectionPtr>& connections);

    /// Takes over what another process had (read_snapshot), in any number of steps. Comes after configure() and
    /// before the first event.
    void restore(std::vector<std::unique_ptr<Sa>> sas, const WantedByName& wanted);

    /// The last step: which gateways were in use. What one IKE SA was to another that is lost ends here.
    void restored(const GatewayUses& uses);

    /// After restored(): what the process before asked the kernel for and did not see confirmed. Where the kernel has
    /// it, say so (ChildInstalled, OutboundInstalled); else ask again.
    [[nodiscard]] Actions unconfirmed() const;

    [[nodiscard]] Actions on(const Event& event, Instant now);
    /// The IKE SAs that the last event may have changed, by our SPIs; some of them may be there no longer.
    [[nodiscard]] const std::vector<IkeSpi>& changed() const { return changed_; }

    /// When TimePassed is due; Instant::max() for never.
    [[nodiscard]] Instant next_deadline() const;

    /// In an order in which one can go on where one has stopped.
    [[nodiscard]] const std::map<IkeSpi, std::unique_ptr<Sa>>& sas() const { return sas_; }
    [[nodiscard]] std::size_t half_open() const { return half_open_.size(); }
    /// Those that were replaced and still receive included.
    [[nodiscard]] std::size_t child_sas() const { return owners_.size(); }
    /// Those that are not dead and not half-open.
    [[nodiscard]] std::vector<IkeSpi> sas_of(const std::string& connection) const {
        return index_.of_connection(connection);
    }
    /// The addresses that peers have, or had last.
    [[nodiscard]] const Leases& leases() const { return leases_; }
    [[nodiscard]] const WantedByName& wanted() const { return wanted_.all(); }
    /// All connections with several gateways.
    [[nodiscard]] const GatewayUses& gateways() const { return gateways_; }
    /// The last event may have changed it.
    [[nodiscard]] bool gateways_changed() const { return gateways_changed_; }
    /// The gateway in use, or the next to be tried; nothing where a connection has not several.
    [[nodiscard]] std::optional<UdpEndpoint> gateway(const std::string& connection) const;
    /// The one with which an Initiate is to go on or to begin.
    [[nodiscard]] std::optional<UdpEndpoint> next_gateway(const std::string& connection);
    /// Null where none of this name is configured.
    [[nodiscard]] ConnectionPtr connection(const std::string& name) const { return connections_.find(name); }
    /// There are no IKE SAs but half-open and dead ones.
    [[nodiscard]] bool idle() const { return index_.empty(); }
    /// Null, or what is wrong with which SA: for tests and fuzzing.
    [[nodiscard]] const char* inconsistency() const;

   private:
    IkeSpi new_ike_spi() override;
    EspSpi new_esp_spi() override;
    ReqId new_reqid() override { return ReqId{next_reqid_++}; }
    std::vector<ConnectionPtr> connections(const IpAddress& local, const IpAddress& remote) override {
        return connections_.between(local, remote);
    }
    Sa* find(IkeSpi own) override;
    Sa& adopt(std::unique_ptr<Sa> sa) override;
    bool knows_peer(const Sa& sa) override;
    void forget_others(const Sa& sa, Instant began_at) override;
    std::optional<IpAddress> lease(const AddressPool& pool, const Sa& sa, const IpAddress& wish) override {
        return leases_.take(pool, sa.peer_id, wish);
    }
    std::vector<IpAddress> wishes(const Connection& connection) override;
    Sa* twin_of(const Sa& sa) override;
    bool stands_beside(const Sa& sa, const ChildSa& child) override;

    /// The host's own; but what is there by a tunnel is no way to a tunnel's peer.
    void heed_addresses(std::vector<IpAddress> own);

    void handle(Context& context, const DatagramReceived& datagram);
    void handle(Context& context, const TimePassed& event);
    void handle(Context& context, const Initiate& event);
    void handle(Context& context, const Terminate& event);
    void handle(Context& context, const Rekey& event);
    void handle(Context& context, const ChildInstalled& event);
    void handle(Context& context, const OutboundInstalled& event);
    void handle(Context& context, const ChildLost& event);
    void handle(Context& context, const ChildSpent& event);
    void handle(Context& context, const OffloadLost& event);
    void handle(Context& context, const OffloadRegained& event);
    void handle(Context& context, const OffloadMoved& event);
    void handle(Context& context, const PeerMoved& event);
    void handle(Context& context, const OwnAddresses& event);
    void handle(Context& context, const PathsFound& event);
    void handle(Context& context, const Signed& event);
    void handle(Context& context, const PeerVerified& event);
    void handle(Context& context, const TlsAnswered& event);
    void handle(Context& context, const KeysExchanged& event);
    void handle(Context& context, const NoWay& event);
    void handle(Context& context, const TrafficCounted& event);
    void handle(Context& context, const Reauthenticate& event);
    // reauthentication.cpp
    void restore_reauthentications();
    void look_at_lifetime(Context& context, Sa& sa);
    void begin_reauthentication(Context& context, Sa& old, ReauthCause cause);
    void follow_reauthentications(Context& context);
    void settle_reauthentication(Context& context, IkeSpi old, IkeSpi fresh);
    void hand_over_to_fresh(Context& context, Sa& old, Sa& fresh);
    void finish_reauthentication(Context& context, Sa& old, Sa& fresh);
    void on_reauthentication_failed(Context& context, Sa& old, IkeSpi fresh);
    [[nodiscard]] bool comes_in_place(const Sa& sa) const;
    // failover.cpp
    void restore_gateways(const GatewayUses& uses);
    void configure_gateways(const std::vector<ConnectionPtr>& connections);
    [[nodiscard]] GatewayUse* use_of(const std::string& connection);
    void come_to(Context& context, const Connection& rules, GatewayUse& use, const UdpEndpoint& gateway, Error why);
    void want(Context& context, const Connection& rules, const std::string& child,
              const std::optional<UdpEndpoint>& gateway);
    static void seek(Context& context, const Connection& rules, const GatewayUse& use);
    void begin_round(Context& context, const Connection& rules, GatewayUse& use);
    void leave_gateway(Context& context, const Connection& rules, GatewayUse& use, const Error& why);
    void forget_gateways(const Terminate& event);
    void follow_gateways(Context& context);
    void on_gateway(Context& context, StateChanged changed);
    void on_gateway_moved(Context& context, Report moved);
    void on_gateway_gone(Context& context, const Connection& rules, GatewayUse& use, const Sa& sa);
    void look_for_better_after(Instant moment, const Connection& rules, GatewayUse& use);
    void look_for_better(Context& context, const std::string& connection);
    static void probe(Context& context, const Connection& rules, GatewayUse& use, const UdpEndpoint& gateway);
    void begin_probe(Context& context, const ConnectionPtr& rules, const Initiate& event);
    void on_probe_failed(Context& context, const Connection& rules, GatewayUse& use);
    void settle_return(Context& context, const std::string& connection);
    void on_init_request(Context& context, const wire::Outer& message, const DatagramReceived& datagram);
    void on_other_version(Context& context, const DatagramReceived& datagram, Error error);
    [[nodiscard]] bool cookie_passes(Context& context, const wire::Outer& message, const DatagramReceived& datagram);
    void refuse(Context& context, const wire::Header& request, const DatagramReceived& datagram,
                const Payloads& answer);
    void pursue_wanted(Context& context);
    [[nodiscard]] std::vector<IkeSpi> of_same_peer(const Sa& sa) const;
    void watch_twins(const Sa& sa);
    void settle_twins(Context& context, IkeSpi spi);
    void begin(Context& context, const ConnectionPtr& connection, const std::string& child, const UdpEndpoint& local,
               const UdpEndpoint& remote, const std::optional<PacketSelectors>& packet = {});
    void complete(Context& context, Sa& sa, const std::string& child,
                  const std::optional<PacketSelectors>& packet = {});
    [[nodiscard]] Sa* standing(const std::string& connection);
    [[nodiscard]] Sa* owner_of(EspSpi inbound);
    void look_soon(const std::string& connection, Instant now);
    void release_leases(Sa& sa);
    void tidy(Instant now);
    void count_half_open(Sa& sa, const UdpEndpoint& from);
    void forget_half_open(Sa& sa);

    Settings settings_;
    Random& random_;
    Toolbox tools_;
    Cookies cookies_;
    ConnectionTable connections_;
    std::map<IkeSpi, std::unique_ptr<Sa>> sas_;
    /// Half-open SAs by the peer's address and SPI, so that a repeated IKE_SA_INIT finds its SA.
    std::map<std::pair<UdpEndpoint, IkeSpi>, IkeSpi> half_open_;
    std::map<IpAddress, std::size_t> half_open_by_address_;
    SaIndex index_;
    std::unordered_map<EspSpi, IkeSpi> owners_;  ///< of CHILD SAs
    std::unordered_set<EspSpi> offered_;         ///< for CHILD SAs that are yet to be made
    std::vector<EspSpi> offered_before_;         ///< by what the event touches, and drawn during it
    Deadlines deadlines_;
    std::vector<IkeSpi> touched_;  ///< by the event that is being handled
    std::vector<IkeSpi> changed_;
    WantedList wanted_;
    Leases leases_;
    std::map<std::string, std::vector<IpAddress>> given_;  ///< by peers, to us: by connection
    std::set<std::pair<Instant, IkeSpi>> twins_;           ///< when to see whether what stands twice still does
    GatewayUses gateways_;                                 ///< of each connection with several
    std::set<std::pair<Instant, std::string>> looks_;      ///< for better gateways
    bool gateways_changed_ = false;
    std::uint32_t next_reqid_ = 1;
    Context* context_ = nullptr;  ///< of the event that is being handled
};

}  // namespace keysluice::ike
