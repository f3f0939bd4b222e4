#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>

#include "daemon/engine/acceptor.hpp"
#include "daemon/engine/file_stamps.hpp"
#include "daemon/engine/first_octet.hpp"
#include "daemon/engine/handoff.hpp"
#include "daemon/engine/header_intake.hpp"
#include "daemon/engine/installation.hpp"
#include "daemon/engine/negotiation.hpp"
#include "daemon/engine/submitter.hpp"
#include "daemon/engine/userspace_relay.hpp"
#include "daemon/shared/counters.hpp"
#include "daemon/shared/failure_report.hpp"
#include "daemon/shared/farewells.hpp"
#include "daemon/shared/limiter.hpp"
#include "daemon/shared/messages.hpp"
#include "daemon/shared/service.hpp"
#include "ktls/probe.hpp"
#include "proxy/header.hpp"

namespace keysluice {

/// A service as an engine serves it. Connections hold it, so that it outlives its removal from the configuration.
struct ServedService {
    ServiceId id;
    TlsService settings;
    std::unique_ptr<const tls::Context> context;
    FileStamps files{};  ///< that the context was made of
    /// Round robin over settings.connect, and over that of each route.
    std::map<const std::vector<Endpoint>*, std::size_t> next_target{};
};

/// One accepted connection while it lives in the engine.
///
///     (PROXY header) ─► (first octet) ─► negotiating
///         ├─► kernel: its descriptors leave for the keeper, this object ends
///         ├─► kernel, for an application: the socket leaves for it, this object ends
///         └─► userspace: (server mode: connecting to the backend) ─► relaying ─► ended
///
/// Whoever connects to the backend sends it the PROXY header (send_proxy), as its first bytes. Towards a backend that
/// gets one we connect here, whoever carries the connection then; so we do where a route leads elsewhere.
class Connection final : public Negotiation::Owner, public UserspaceRelay::Owner {
   public:
    /// What the engine lends to its connections.
    class Host {
       public:
        virtual ~Host() = default;
        virtual Loop& loop() = 0;
        virtual CounterSet& counters() = 0;
        virtual Farewells& farewells() = 0;
        virtual FailureReport& failures() = 0;
        virtual Limiter& limiter() = 0;
        [[nodiscard]] virtual const ktls::Capabilities& kernel() const = 0;
        /// Gives the sockets to the keeper; false when the keeper does not take them.
        [[nodiscard]] virtual bool hand_over(const Carried& connection, std::shared_ptr<const TrafficSecrets> secrets,
                                             std::vector<UniqueFd> sockets) = 0;
        /// A client's session that the kernel carries: its server's ticket comes by way of the relay.
        virtual void await_ticket(TlsSessionId id, std::unique_ptr<tls::Session> session) = 0;
        virtual void ended(Connection& connection) = 0;
    };

    /// `submitter` is who gave the socket, calls it `submission`, and gets it back; null: nobody, it was accepted.
    Connection(Host& host, std::shared_ptr<ServedService> service, Accepted accepted,
               std::shared_ptr<Submitter> submitter = nullptr, std::string submission = {});
    ~Connection() override;

    void start();
    /// Zero until it is established and stays here.
    [[nodiscard]] TlsSessionId session() const { return listed_ ? listed_->id : TlsSessionId{}; }
    /// Of one that has a session().
    [[nodiscard]] ListedSession listed() const;
    [[nodiscard]] ServiceId service() const { return service_->id; }
    /// The limits are counted in another memory, or others are.
    void count_anew(const Limits& limits) { counted_ = host_.limiter().count(service_->id, limits, origin_); }
    [[nodiscard]] const Submitter* submitter() const { return submitter_.get(); }
    /// Resets it, in whatever state it is.
    void cut_off(const Error& error);

    /// The engine's own place for this connection.
    std::list<std::unique_ptr<Connection>>::iterator self;

   private:
    void on_established(Negotiation& negotiation, Negotiated result) override;
    void on_failed(Negotiation& negotiation, const Error& error, UniqueFd tls) override;
    void on_ended(UserspaceRelay& relay, const Error* error, UniqueFd farewell) override;

    void on_header(Result<proxy::Header> header);
    /// The client is known: negotiates, if the limits let it.
    void let_in();
    /// plaintext = "relay": what the client's first octet says.
    void on_first_octet(Result<bool> speaks_tls);
    void relay_plaintext();
    /// Of the client, for send_proxy.
    void prepare_header();
    /// Ends it before any TLS.
    void turn_away(const Error& error);
    void negotiate();
    void count_established(std::string_view where, const tls::Summary& summary);
    /// The relay takes it over: the kernel carries it, or there is no TLS.
    void leave_for_relay();
    void stay_in_userspace(std::string_view why);
    void connect_backend();
    void on_backend(Result<UniqueFd> backend);
    void send_preface();
    void give_up_backend(const Error& error);
    void relay();
    [[nodiscard]] bool for_application() const;
    void give_to_application();
    void hand_off(SecretBuffer description, const tls::Summary& summary);
    void given_to_application(const tls::Summary& summary);
    void refuse(const Error& error, UniqueFd tls);
    void fail_with(const Error& error);
    void over();

    Host& host_;
    std::shared_ptr<ServedService> service_;
    SocketAddress peer_;        ///< the client: who connected, or whom accept_proxy names
    std::uint64_t origin_ = 0;  ///< of peer_
    CountedConnection counted_;
    UniqueFd accepted_;  ///< until it is negotiated on
    std::shared_ptr<Submitter> submitter_;
    std::string submission_;
    Instant until_{};                      ///< for PROXY header and handshake together
    std::unique_ptr<proxy::Header> told_;  ///< of the client, as long as it is to be told to somebody
    std::unique_ptr<HeaderIntake> intake_;
    std::unique_ptr<FirstOctet> first_octet_;
    std::unique_ptr<Negotiation> negotiation_;
    std::unique_ptr<Connector> connector_;
    std::unique_ptr<UserspaceRelay> relay_;
    std::unique_ptr<Handoff> handoff_;
    Negotiated established_;
    bool plaintext_ = false;                         ///< the client does not speak TLS, and goes on as it is
    const Route* route_ = nullptr;                   ///< of established_; null: the service's own `connect`
    Carrier carrier_ = Carrier::userspace;           ///< of established_
    std::shared_ptr<const TrafficSecrets> secrets_;  ///< of established_, where the kernel can change its keys
    std::vector<std::uint8_t> preface_;              ///< not sent yet
    std::optional<ListedSession> listed_;            ///< but for the backend
    bool active_userspace_ = false;
};

}  // namespace keysluice
