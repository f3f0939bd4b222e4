#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "daemon/engine/acceptor.hpp"
#include "daemon/engine/connection.hpp"
#include "daemon/engine/handovers.hpp"
#include "daemon/engine/handshake_table.hpp"
#include "daemon/engine/late_tickets.hpp"
#include "daemon/engine/signer.hpp"
#include "daemon/engine/submitter.hpp"
#include "daemon/engine/ticket_memory.hpp"
#include "daemon/shared/channel.hpp"
#include "daemon/shared/uplink.hpp"

namespace keysluice {

/// The handshake engine: accepts, negotiates, and gives each connection either to the kernel (by way of the keeper
/// and a relay) or keeps it in its own userspace record layer. It is stateless: any engine can be replaced at any
/// time. It also signs for IKE, and has the TLS of IKE's EAP-TLS.
class Engine final : public Connection::Host, public Acceptor::Owner, public Submitter::Owner, public Uplink::Owner {
   public:
    /// keysluiced has told what to serve, and what of it can be loaded is.
    using OnReady = std::function<void()>;

    Engine(Loop& loop, const std::string& runtime_directory, std::uint16_t index, std::size_t descriptor_limit,
           OnReady on_ready);
    ~Engine() override;

    /// Accepts nothing more, and stops the loop when the last connection has ended or the drain timeout, or
    /// `longest`, is over.
    void drain(std::chrono::milliseconds longest = kLongestTimeout);
    /// Whether anything would be lost by an end now.
    [[nodiscard]] bool busy() const { return !connections_.empty() || !handovers_.empty() || answers_due(); }

    /// One line on how it is.
    [[nodiscard]] std::string status() const;

   private:
    struct Offer {
        std::shared_ptr<ServedService> service;
        std::vector<std::uint8_t> encoded;
        std::list<std::unique_ptr<Acceptor>> acceptors;
    };
    /// What LoadService brought, until it is used or dropped.
    struct Loaded {
        std::shared_ptr<ServedService> service;
        std::vector<std::uint8_t> encoded;
    };
    struct DrainTimer final : Deadline {
        explicit DrainTimer(Loop& its_loop) : owner(its_loop) {}
        void on_deadline() override { owner.stop(); }
        Loop& owner;
    };

    Loop& loop() override { return loop_; }
    CounterSet& counters() override { return counters_; }
    Farewells& farewells() override { return farewells_; }
    FailureReport& failures() override { return failures_; }
    Limiter& limiter() override { return limiter_; }
    [[nodiscard]] const ktls::Capabilities& kernel() const override { return kernel_; }
    [[nodiscard]] bool hand_over(const Carried& connection, std::shared_ptr<const TrafficSecrets> secrets,
                                 std::vector<UniqueFd> sockets) override;
    void await_ticket(TlsSessionId id, std::unique_ptr<tls::Session> session) override {
        late_tickets_.wait(id, std::move(session));
    }
    void ended(Connection& connection) override;

    [[nodiscard]] bool has_room() override;
    /// Sockets, of which there are at most `capacity_`: connections, channels of applications, and what applications
    /// have not fetched yet.
    [[nodiscard]] std::size_t in_use() const;
    void on_accepted(Acceptor& acceptor, Accepted accepted) override;
    void on_exhausted(Acceptor& acceptor, int error) override;

    void on_submitted(Submitter& submitter, const std::string& id, UniqueFd socket) override;
    void on_ended(Submitter& submitter, const Error* error) override;
    void admit_submitter(const std::shared_ptr<ServedService>& service, UniqueFd channel);
    [[nodiscard]] Result<Accepted> take_submitted(const Submitter& submitter, UniqueFd socket) const;
    void begin(const std::shared_ptr<ServedService>& service, Accepted accepted,
               std::shared_ptr<Submitter> submitter = nullptr, const std::string& submission = {});
    /// Those of a service, or all.
    void finish_submitters(std::optional<ServiceId> of = std::nullopt);
    [[nodiscard]] bool answers_due() const;
    /// What came to nothing before there was a connection.
    void count_failure(const ServedService& service, std::string_view peer, const Error& error);

    void on_message(Uplink& uplink, Message message, Descriptors descriptors) override;
    void on_connected(Uplink& uplink) override;
    void on_control_message(const Message& message, Descriptors descriptors);
    void serve(const Service& offered, Descriptors listeners);
    void load_service(const LoadService& wanted);
    void close_service(ServiceId id);
    void forget_service(ServiceId id);
    void stop_accepting(Offer& offer);
    void on_all_told();
    void list(const AskSessions& ask);
    void end_sessions(const EndSessions& end);
    void take_tickets(Descriptors descriptors);
    void take_limits(Descriptors descriptors);
    /// As the service has them now.
    [[nodiscard]] Limits limits_of(ServiceId service) const;
    /// Whatever is here, for the limits.
    void count_anew();
    /// The descriptor in front of the listening sockets; null where there is none.
    [[nodiscard]] std::shared_ptr<AcceptBalance> take_balance(const Service& offered, Descriptors& descriptors) const;
    void end_if_drained();
    [[nodiscard]] Result<std::shared_ptr<ServedService>> load(ServiceId id, const std::vector<std::uint8_t>& encoded);

    Loop& loop_;
    std::uint16_t index_;
    std::size_t capacity_;
    OnReady on_ready_;
    ktls::Capabilities kernel_;
    CounterSet counters_;
    Limiter limiter_{counters_};
    std::shared_ptr<TicketMemory> tickets_ = std::make_shared<TicketMemory>();
    Signer signer_;
    HandshakeTable handshakes_{signer_};
    Farewells farewells_;
    LateTickets late_tickets_;
    std::map<ServiceId, Offer> offers_;
    std::map<ServiceId, Loaded> loaded_;
    std::uint32_t load_ = 0;  ///< the number of what is in loaded_
    /// Since keysluiced was called (again) and until it has told all: what it tells of.
    std::optional<std::set<ServiceId>> told_;
    std::map<const Acceptor*, std::shared_ptr<ServedService>> by_acceptor_;
    std::list<std::shared_ptr<Submitter>> submitters_;
    std::list<std::unique_ptr<Connection>> connections_;
    Uplink keeper_;
    Handovers handovers_{keeper_};
    Uplink control_;
    FailureReport failures_{loop_,
                            [this](Failures failures) { static_cast<void>(control_.send(std::move(failures))); }};
    DrainTimer drain_timer_;
    bool ready_ = false;
    bool relays_plaintext_ = false;  ///< one of the services may: it takes a keeper, whatever the kernel is
    bool draining_ = false;
};

}  // namespace keysluice
