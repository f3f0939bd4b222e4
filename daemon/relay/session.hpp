#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/flood_guard.hpp"
#include "base/instant.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "daemon/relay/pipe_pool.hpp"
#include "daemon/relay/rekeying.hpp"
#include "daemon/shared/connection_table.hpp"
#include "daemon/shared/life_span.hpp"
#include "daemon/shared/loop.hpp"
#include "daemon/shared/service.hpp"
#include "ktls/alert.hpp"
#include "ktls/handshake.hpp"
#include "ktls/record.hpp"

namespace keysluice {

/// One connection that the kernel carries: bytes go from socket to socket by splice(2), in both directions.
///
/// Sockets are watched edge-triggered and read until EAGAIN: after a FIN a partial record keeps a kTLS socket
/// readable for ever (net/tls/tls_main.c, tls_sk_poll outside ESTABLISHED), and a level-triggered loop would burn a
/// CPU.
///
/// A successor in another process can take it up at any moment: `entry_` in the shared table says what is in which
/// pipe and which ends were said, and until the last of them was, the plaintext side resets when its holders die.
///
/// The ends: each side's end is passed on by itself (half-close), close_notify goes before the FIN. A side that ends
/// without saying so, or breaks, resets the other one. What TLS may not do ends with an alert. A backend that breaks
/// while its answer is on its way was heard all the same: the peer gets the answer first, and then its end, if the
/// backend had said one.
class Session final {
   public:
    class Host {
       public:
        virtual ~Host() = default;
        virtual Loop& loop() = 0;
        virtual PipePool& pipes() = 0;
        /// Call resume() in the next round: this session has more to do, but the others get their turn first.
        virtual void come_back(Session& session) = 0;
        /// The peer sent a NewSessionTicket of TLS 1.3, header included, in one piece.
        virtual void on_ticket(Session& session, Bytes message) = 0;
        /// The connection is over; `error` is null after an orderly end. `farewell` may hold the TLS socket: an alert
        /// was sent, and the peer should get to read it. Destroy the session by way of Loop::bury.
        virtual void on_ended(Session& session, const Error* error, UniqueFd farewell) = 0;
    };

    /// After this many records in a row that carry nothing (empty ones, tickets, warnings) a peer is a flood.
    static constexpr std::uint16_t kMostIdleRecords = 32;

    /// This connection's place in the shared table: both may hold the state that a predecessor left, and `secrets`
    /// may be null.
    struct Place {
        Slot slot;
        TableEntry& entry;
        KeptSecrets* secrets = nullptr;
    };

    Session(Host& host, Place place, ktls::Version version, UniqueFd tls, UniqueFd plain, Duration close_timeout,
            RekeyAfter rekey_after = {}, const Limits& limits = {});
    ~Session();

    /// Takes up the bytes that a predecessor left in pipes, watches both sockets and moves what is there.
    void start();
    void resume() {
        if (!over_) {
            advance();
        }
    }
    /// Resets both sides, unless it is over already.
    void cut_off(const Error& error) {
        if (!over_) {
            static_cast<void>(abort(error));
        }
    }
    [[nodiscard]] Slot slot() const { return slot_; }
    [[nodiscard]] const UniqueFd& tls() const { return tls_.fd; }
    [[nodiscard]] const UniqueFd& plain() const { return plain_.fd; }

   private:
    struct Side final : Watcher {
        Side(Session& session, UniqueFd socket) : owner(session), fd(std::move(socket)) {}
        void on_events(std::uint32_t events) override;
        Session& owner;
        UniqueFd fd;
        bool readable = true;
        bool writable = true;
        bool shut = false;  ///< we sent it our FIN
        bool deaf = false;  ///< it takes nothing any more; what it said before is still read
    };
    /// One direction. Bytes are in the pipe only while the other side does not take them.
    struct Flow {
        SplicePipe* pipe = nullptr;
        std::size_t in_pipe = 0;
        std::uint16_t* noted_pipe = nullptr;  ///< where the shared table names the pipe
    };
    struct CloseTimer final : Deadline {
        explicit CloseTimer(Session& session) : owner(session) {}
        void on_deadline() override;
        Session& owner;
    };
    struct RekeyTimer final : Deadline {
        explicit RekeyTimer(Session& session) : owner(session) {}
        void on_deadline() override;
        Session& owner;
    };
    struct LifeTimer final : Deadline {
        explicit LifeTimer(Session& session) : owner(session) {}
        void on_deadline() override;
        Session& owner;
    };
    /// A handshake message's header as far as the last record had it.
    struct HandshakeStart {
        std::array<std::uint8_t, 3> bytes{};
        std::uint8_t count = 0;
    };
    /// What one step did. `over`: the session has ended, and nothing of it may be touched.
    enum class Step : std::uint8_t { moved, stuck, over };

    void on_events(const Side& side, std::uint32_t events);
    void advance();
    [[nodiscard]] Step move_to_plain();
    [[nodiscard]] Step move_to_tls();
    [[nodiscard]] Step fill_from_tls();
    /// `error`: what the client's socket said, 0 for an end.
    [[nodiscard]] Step no_more_of_tls(int error);
    /// Of one without TLS.
    [[nodiscard]] Step end_of_client();
    [[nodiscard]] Step fill_from_plain();
    [[nodiscard]] Step drain(Flow& flow, Side& to);
    [[nodiscard]] Step tls_refuses(int error);
    [[nodiscard]] Step plain_refuses(int error);
    /// splice(2) said something else than data: looks at what the record is.
    [[nodiscard]] Step look_closer(ktls::Splice said);
    [[nodiscard]] Step on_control(const ktls::Control& control, Bytes payload);
    [[nodiscard]] Step on_alert(Bytes payload);
    [[nodiscard]] Step on_handshake(Bytes payload);
    [[nodiscard]] Step on_messages(ktls::HandshakeMessages messages);
    /// A record of type handshake waits: notes the KeyUpdate in it.
    void expect_key_update();
    [[nodiscard]] Step on_key_update();
    /// Looks after the limits of the keys from now on.
    void limit_keys();
    void arm_rekeying();
    /// We are to change our keys, because they are used up or because the peer waits for it.
    [[nodiscard]] bool change_due() const;
    /// Our KeyUpdate, which goes before any other data.
    [[nodiscard]] Step change_keys();
    void expect_more_of_ticket(Bytes seen, std::size_t missing);
    [[nodiscard]] Step count_idle_record();
    void note_traffic(ssize_t moved);
    void look_at_life();
    /// Ends both sides in order, because it has lasted long enough; resets them where bytes are on their way.
    [[nodiscard]] Step take_leave(const Error& error);
    [[nodiscard]] Step pass_ends_on();
    [[nodiscard]] Step say_close_notify();
    [[nodiscard]] Step out_of_pipes();
    [[nodiscard]] bool borrow_pipe(Flow& flow);
    void return_pipe(Flow& flow);
    void adopt_pipe(Flow& flow);
    /// There is no TLS: its side ends as the plaintext one does.
    [[nodiscard]] bool plaintext() const { return entry_.plaintext != 0; }
    /// What remains on the TLS side may be delivered after this.
    void release_client();
    [[nodiscard]] bool has(std::uint8_t flag) const { return (entry_.flags & flag) != 0; }

    [[nodiscard]] Step end(const Error* error, UniqueFd farewell = {});
    /// Resets both sides.
    [[nodiscard]] Step abort(const Error& error);
    /// Ends TLS with an alert and resets the plaintext side.
    [[nodiscard]] Step refuse(ktls::AlertDescription alert, const Error& error);
    /// The backend is gone after it said everything: the peer gets to read that.
    [[nodiscard]] Step part();
    void unwatch();

    Host& host_;
    TableEntry& entry_;
    Slot slot_;
    ktls::Version version_;
    bool watched_ = false;
    bool over_ = false;
    std::uint16_t idle_records_ = 0;
    std::uint32_t ticket_rest_ = 0;  ///< bytes of a session ticket that go on in the next record
    HandshakeStart handshake_start_;
    Side tls_;
    Side plain_;
    Rekeying rekeying_;
    FloodGuard flood_;
    Instant last_key_update_{};
    RekeyAfter rekey_after_;
    KeyLimits key_limits_;
    RekeyTimer rekey_timer_;
    bool keys_too_old_ = false;
    Flow to_plain_;
    Flow to_tls_;
    CloseTimer close_timer_;
    Duration close_timeout_;
    LifeSpan life_;
    LifeTimer life_timer_;
};

}  // namespace keysluice
