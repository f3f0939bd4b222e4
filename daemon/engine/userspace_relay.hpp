#pragma once

#include <memory>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "daemon/engine/negotiation.hpp"
#include "daemon/shared/life_span.hpp"
#include "daemon/shared/loop.hpp"
#include "daemon/shared/service.hpp"

namespace keysluice {

/// A connection whose records OpenSSL handles in this process, because the kernel can't or may not.
///
/// It relays both ways with the rules of the kernel's relay: back-pressure (a side is read only when the other has
/// taken everything), half-close both ways, close_notify before FIN, truncation passed on as a reset.
class UserspaceRelay final {
   public:
    class Owner {
       public:
        virtual ~Owner() = default;
        /// Destroy it by way of Loop::bury. `error` is null after an orderly end. `farewell` may hold the TLS socket:
        /// we have said our last word on it, and the peer should get to read it.
        virtual void on_ended(UserspaceRelay& relay, const Error* error, UniqueFd farewell) = 0;
    };

    /// `preface` goes to the plaintext side before anything else.
    UserspaceRelay(Loop& loop, Owner& owner, Negotiated connection, Duration close_timeout,
                   std::vector<std::uint8_t> preface = {}, RekeyAfter rekey_after = {}, const Limits& limits = {});
    ~UserspaceRelay();

    void start();
    /// Resets both sides, unless it is over already.
    void cut_off(const Error& error) { abort(error); }
    [[nodiscard]] const UniqueFd& plain() const { return plain_.fd; }

   private:
    struct Side final : Watcher {
        explicit Side(UserspaceRelay& relay) : owner(relay) {}
        void on_events(std::uint32_t events) override { owner.on_events(*this, events); }

        UserspaceRelay& owner;
        UniqueFd fd;
        std::uint32_t wanted = 0;
        bool watched = false;
        bool hung_up = false;  ///< EPOLLHUP, which epoll repeats for ever, was seen
        bool ended = false;    ///< nothing more comes from this side
        bool shut = false;     ///< we sent it our FIN
        bool writable = true;  ///< false after EAGAIN, until EPOLLOUT
        bool deaf = false;     ///< it takes nothing any more; what it said before is still read
        bool cut_off = false;  ///< it broke before its FIN
    };
    struct CloseTimer final : Deadline {
        explicit CloseTimer(UserspaceRelay& relay) : owner(relay) {}
        void on_deadline() override;
        UserspaceRelay& owner;
    };

    struct RekeyTimer final : Deadline {
        explicit RekeyTimer(UserspaceRelay& relay) : owner(relay) {}
        void on_deadline() override;
        UserspaceRelay& owner;
    };

    struct LifeTimer final : Deadline {
        explicit LifeTimer(UserspaceRelay& relay) : owner(relay) {}
        void on_deadline() override;
        UserspaceRelay& owner;
    };

    void on_events(Side& side, std::uint32_t events);
    void advance();
    void arm_rekeying();
    /// Each returns false when the connection is over.
    [[nodiscard]] bool read_tls();
    [[nodiscard]] bool decrypt_all();
    [[nodiscard]] bool read_plain();
    [[nodiscard]] bool write_tls();
    [[nodiscard]] bool write_plain(Bytes fresh);
    /// Changes the keys where they are used up.
    [[nodiscard]] bool renew_keys();
    void plain_refuses(int error);
    void set_interest(Side& side, bool readable, bool writable);
    /// The ends of a connection: orderly; reset both ways; reset the plaintext side and let TLS read our last words.
    void end(const Error* error, UniqueFd farewell = {});
    void abort(const Error& error);
    void part(const Error* error);
    void note_traffic(ssize_t moved);
    void look_at_life();
    /// Ends both sides in order, because it has lasted long enough; resets them where bytes are on their way.
    void take_leave(const Error& error);
    void unwatch(Side& side);

    Loop& loop_;
    Owner& owner_;
    Side tls_;
    Side plain_;
    std::unique_ptr<tls::Session> session_;
    std::vector<std::uint8_t> to_plain_;  ///< decrypted, not yet taken by the plaintext side
    CloseTimer close_timer_;
    Duration close_timeout_;
    RekeyAfter rekey_after_;
    KeyLimits key_limits_;
    RekeyTimer rekey_timer_;
    bool keys_too_old_ = false;
    LifeSpan life_;
    LifeTimer life_timer_;
    bool over_ = false;
};

}  // namespace keysluice
