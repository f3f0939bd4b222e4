#pragma once

#include <functional>

#include "daemon/control/worker_pool.hpp"
#include "ike/events.hpp"

namespace keysluice::control {

/// Threads that find out whether IKE's peers are who they say they are.
class Verifiers {
   public:
    using Done = std::function<void(ike::PeerVerified)>;

    static constexpr std::size_t kThreads = 2;
    /// When so many wait, no more are taken.
    static constexpr std::size_t kMostWaiting = 1024;

    explicit Verifiers(Loop& loop, std::size_t most_waiting = kMostWaiting)
        : loop_(loop), threads_(loop, kThreads, most_waiting) {}

    /// `done` is called once, never from here, and not after the end of this object. Fails as ike::verify_peer(), and
    /// with "verification-busy".
    void verify(ike::VerifyPeer job, Done done);

   private:
    Loop& loop_;
    WorkerPool threads_;
};

}  // namespace keysluice::control
