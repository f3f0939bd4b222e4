#pragma once

#include <deque>
#include <memory>

#include "daemon/shared/loop.hpp"
#include "daemon/shared/messages.hpp"
#include "tls/session.hpp"

namespace keysluice {

/// Sessions of clients of ours that the kernel carries, for the moment until the relay finds their server's first
/// ticket: only OpenSSL can make of it what resumes them.
class LateTickets final : Deadline {
   public:
    /// Each holds some 20 KiB. Beyond that the oldest goes: it would only have saved a full handshake.
    static constexpr std::size_t kMost = 256;
    static constexpr Duration kPatience = std::chrono::seconds(10);

    explicit LateTickets(Loop& loop) : loop_(loop) {}
    ~LateTickets() override { loop_.disarm(*this); }

    /// `session` of TLS 1.3, whose keys were exported.
    void wait(TlsSessionId id, std::unique_ptr<tls::Session> session);
    /// Of nobody who waits: it is left out of account, and so is what is none.
    void on_ticket(const TicketReceived& ticket);
    [[nodiscard]] std::size_t size() const { return waiting_.size(); }

   private:
    struct Waiting {
        TlsSessionId id;
        std::unique_ptr<tls::Session> session;
        Instant until{};
    };

    void on_deadline() override;

    Loop& loop_;
    std::deque<Waiting> waiting_;  ///< in the order of `until`
};

}  // namespace keysluice
