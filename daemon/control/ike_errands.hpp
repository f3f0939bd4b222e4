#pragma once

#include <functional>

#include "daemon/control/worker_pool.hpp"
#include "ike/events.hpp"
#include "ike/peer_certificate.hpp"

namespace keysluice::control {

/// Threads for the mathematics that IKE's event loop has no time for: whether peers are who they say they are, and
/// key exchanges in large groups.
class IkeErrands {
   public:
    using Done = std::function<void(ike::Event)>;

    static constexpr std::size_t kThreads = 2;
    /// When so many wait, no more are taken.
    static constexpr std::size_t kMostWaiting = 1024;

    explicit IkeErrands(Loop& loop, std::size_t most_waiting = kMostWaiting)
        : loop_(loop), threads_(loop, kThreads, most_waiting) {}

    // `done` gets the answer: once, never from here, and not after the end of this object.

    /// Fails as ike::verify_peer(), and with "verification-busy".
    void run(ike::VerifyPeer job, Done done);
    /// Fails as ike::check_tls_peer(), and with "verification-busy".
    void run(ike::TlsUnchecked job, Done done);
    /// Fails as ike::exchange_keys(), and with "key-exchange-busy".
    void run(ike::ExchangeKeys job, Done done);

   private:
    template <typename Job, typename Answer>
    void submit(Job job, Answer busy, Answer (*work)(const Job&), Done done);

    Loop& loop_;
    WorkerPool threads_;
};

}  // namespace keysluice::control
