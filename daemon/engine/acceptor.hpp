#pragma once

#include <functional>
#include <memory>

#include "base/unique_fd.hpp"
#include "daemon/shared/accept_balance.hpp"
#include "daemon/shared/endpoint.hpp"
#include "daemon/shared/loop.hpp"

namespace keysluice {

struct Accepted {
    UniqueFd socket;
    SocketAddress peer;
};

/// Accepts connections from one listening socket, which the keeper holds too: whatever becomes of this process, the
/// clients that wait in the queue stay.
///
/// When the process has no descriptors left it pauses for a moment instead of spinning: the clients wait in the kernel's
/// queue, the connections that exist go on.
///
/// Where all engines share one listening socket, an engine that is ahead of another one steps back for kStepBack, and
/// takes one of the connections that are still there then before it asks again: while an engine is stuck or dead the
/// others go on with a thousand connections a second each.
class Acceptor final : Watcher, Deadline {
   public:
    static constexpr Duration kPause = std::chrono::milliseconds(100);
    static constexpr Duration kStepBack = std::chrono::milliseconds(1);
    /// How many connections one round may bring, so that the others get their turn.
    static constexpr int kBurst = 16;

    class Owner {
       public:
        virtual ~Owner() = default;
        /// Whether there is room for one more connection; asked before each accept.
        [[nodiscard]] virtual bool has_room() = 0;
        virtual void on_accepted(Acceptor& acceptor, Accepted accepted) = 0;
        /// `error` as errno: the acceptor pauses.
        virtual void on_exhausted(Acceptor& acceptor, int error) = 0;
    };

    /// `balance` is that of the engines which share this listening socket; null for a socket of our own.
    Acceptor(Loop& loop, Owner& owner, UniqueFd listener, std::shared_ptr<AcceptBalance> balance = nullptr);
    ~Acceptor() override;

    /// From now on these counts are the ones that the engines share, if they share this listening socket at all.
    void share(const std::shared_ptr<AcceptBalance>& balance) { balance_ = balance_ ? balance : nullptr; }

   private:
    void on_events(std::uint32_t events) override;
    void on_deadline() override;
    [[nodiscard]] bool lets_others_go_first();
    void pause(Duration how_long);

    Loop& loop_;
    Owner& owner_;
    UniqueFd listener_;
    std::shared_ptr<AcceptBalance> balance_;
    bool own_turn_ = false;  ///< we stepped back, and may take one connection although we are ahead
    bool paused_ = false;
};

}  // namespace keysluice
