#pragma once

#include <functional>

#include "base/result.hpp"
#include "daemon/control/worker_pool.hpp"
#include "xfrm/transaction.hpp"

namespace keysluice::control {

/// The one thread that changes SAD and SPD. The kernel works inside the calls, so a hundred changes would hold the
/// event loop for milliseconds, and the first SA of a kind, which loads modules, for longer.
///
/// Transactions are carried out one after the other in the order of submit(); results come back on the loop. Its end
/// carries out what waits, and calls nobody any more.
class KernelThread final {
   public:
    /// Called on the thread.
    using Apply = std::function<Result<void>(const xfrm::Transaction&)>;
    /// Called on the loop.
    using Done = std::function<void(Result<void>)>;
    /// When so many wait, nothing new should be begun.
    static constexpr std::size_t kMostWaiting = 4096;

    KernelThread(Loop& loop, Apply apply) : apply_(std::move(apply)), thread_(loop, 1, kMostWaiting) {}

    void submit(xfrm::Transaction transaction, Done done);
    [[nodiscard]] bool full() const { return thread_.full(); }
    [[nodiscard]] bool idle() const { return thread_.idle(); }

   private:
    Apply apply_;
    WorkerPool thread_;
};

}  // namespace keysluice::control
