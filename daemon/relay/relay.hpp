#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/relay/session.hpp"
#include "daemon/shared/connector.hpp"
#include "daemon/shared/counters.hpp"
#include "daemon/shared/failure_report.hpp"
#include "daemon/shared/farewells.hpp"
#include "daemon/shared/limiter.hpp"
#include "daemon/shared/service.hpp"
#include "daemon/shared/uplink.hpp"

namespace keysluice {

/// A service as a relay sees it: where plaintext goes, and how long to wait. Connections hold it.
struct RelayedService {
    ServiceId id;
    TlsService settings;
    std::size_t next_target = 0;  ///< round robin over settings.connect
    bool closed = false;          ///< nothing is taken for it now
};

/// Takes connections from the keeper, connects them to their backends, and moves bytes until both sides have ended.
class Relay final : public Session::Host, public Uplink::Owner {
   public:
    /// The services and the table of connections are here.
    using OnReady = std::function<void()>;

    Relay(Loop& loop, const std::string& runtime_directory, std::uint16_t index, OnReady on_ready);
    ~Relay() override;

    /// One line on how it is.
    [[nodiscard]] std::string status() const;

   private:
    /// A connection of this relay: first on its way to a backend, then a session.
    struct Held {
        std::shared_ptr<RelayedService> service;
        Carried carried;
        CountedConnection counted;
        TlsSessionId id;
        bool gave_ticket = false;
        UniqueFd tls;  ///< until the session owns it
        std::unique_ptr<Connector> connector;
        std::unique_ptr<Session> session;

        /// Its socket; -1 where it is gone.
        [[nodiscard]] int client() const { return session ? session->tls().get() : tls.get(); }
    };

    /// To a keeper that has asked: the pipes that were told, in the order of their numbers, and who was not.
    struct Telling {
        std::uint16_t pipes = 0;
        std::vector<Slot> slots;
    };

    Loop& loop() override { return loop_; }
    PipePool& pipes() override { return pipes_; }
    void come_back(Session& session) override;
    void on_ticket(Session& session, Bytes message) override;
    void on_ended(Session& session, const Error* error, UniqueFd farewell) override;

    void on_message(Uplink& uplink, Message message, Descriptors descriptors) override;
    void on_connected(Uplink& /*uplink*/) override {}
    void on_drained(Uplink& uplink) override;
    void on_control_message(const Message& message, Descriptors descriptors);
    void on_keeper_message(const Message& message, Descriptors descriptors);
    void learn(const Service& offered);
    void take_limits(Descriptors descriptors);
    /// By the limits that its service has now.
    [[nodiscard]] CountedConnection counted(const Carried& connection);
    void count_anew();
    void close_service(ServiceId id);
    void forget_service(ServiceId id);
    /// Null: it is not to be taken over. `connected`: to its backend.
    [[nodiscard]] std::shared_ptr<RelayedService> service_of(const Adopt& adopted, bool connected) const;
    void list(const AskSessions& ask);
    [[nodiscard]] ListedSession describe(Slot slot) const;
    void count_active(const Held& held, int more);
    void end_sessions(const EndSessions& end);
    /// Ends a few of those that are to end; the others get their turn first.
    void end_some();
    /// `client`: its socket, or -1 where it is gone.
    void failed(const Held& held, int client, const Error& error);
    void inherit_table(Descriptors descriptors);
    void inherit_pipe(PipeId id, Descriptors ends);
    /// A keeper that knows nothing is told what is here, in the pace at which it listens.
    void tell_all();
    void tell_rest();
    [[nodiscard]] bool tell_next(Telling& telling);
    [[nodiscard]] bool tell_pipe(const SplicePipe& pipe);
    void adopt(const Adopt& adopt, Descriptors descriptors);
    void connect_backend(Slot slot);
    void on_backend(Slot slot, Result<UniqueFd> backend);
    void begin(Slot slot, UniqueFd plain);
    void drop(Slot slot);
    void send_releases();

    Loop& loop_;
    OnReady on_ready_;
    CounterSet counters_;
    Limiter limiter_{counters_};
    Farewells farewells_;
    ConnectionTable table_;  ///< empty until the keeper sends it
    PipePool pipes_;
    std::unordered_map<ServiceId, std::shared_ptr<RelayedService>> services_;
    std::unordered_map<Slot, Held> held_;
    std::vector<Slot> released_;
    std::vector<Slot> coming_back_;
    std::vector<std::pair<Slot, TlsSessionId>> ending_;
    Uplink keeper_;
    Uplink control_;
    FailureReport failures_{loop_,
                            [this](Failures failures) { static_cast<void>(control_.send(std::move(failures))); }};
    bool keeper_called_ = false;
    bool has_table_ = false;
    std::optional<Telling> telling_;
};

}  // namespace keysluice
