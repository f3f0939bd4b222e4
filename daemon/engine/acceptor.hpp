#pragma once

#include <functional>

#include "base/unique_fd.hpp"
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
/// When the process has no descriptors left it pauses for a moment instead of spinning: the clients wait in the
/// kernel's queue, the connections that exist go on.
class Acceptor final : Watcher, Deadline {
   public:
    static constexpr Duration kPause = std::chrono::milliseconds(100);
    /// How many connections one round may bring, so that the others get their turn.
    static constexpr int kBurst = 16;

    class Owner {
       public:
        virtual ~Owner() = default;
        /// Whether there is room for one more connection; asked before each accept.
        [[nodiscard]] virtual bool has_room() = 0;
        virtual void on_accepted(Acceptor& acceptor, Accepted accepted) = 0;
        /// The acceptor pauses: `error` is what accept(2) said, 0 that there was no room.
        virtual void on_exhausted(Acceptor& acceptor, int error) = 0;
    };

    Acceptor(Loop& loop, Owner& owner, UniqueFd listener);
    ~Acceptor() override;

   private:
    void on_events(std::uint32_t events) override;
    void on_deadline() override;
    void pause();

    Loop& loop_;
    Owner& owner_;
    UniqueFd listener_;
    bool paused_ = false;
};

}  // namespace keysluice
