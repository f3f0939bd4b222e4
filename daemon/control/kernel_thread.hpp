#pragma once

#include <functional>
#include <memory>

#include "base/result.hpp"
#include "daemon/control/databases.hpp"
#include "daemon/control/worker_pool.hpp"
#include "xfrm/transaction.hpp"

namespace keysluice::control {

/// The one thread that changes SAD and SPD. The kernel works inside the calls, so a hundred changes would hold the
/// event loop for milliseconds, and the first SA of a kind, which loads modules, for longer.
///
/// Work is done piece by piece in the order of submit(); results come back on the loop. Its end carries out what
/// waits, and calls nobody any more.
class KernelThread final {
   public:
    /// Called on the loop.
    using Done = std::function<void(Result<void>)>;
    using Then = WorkerPool::Done;
    /// Called on the thread; what it returns is called on the loop.
    using Work = std::move_only_function<Then(Databases&)>;
    /// When so many wait, nothing new should be begun.
    static constexpr std::size_t kMostWaiting = 4096;

    KernelThread(Loop& loop, std::unique_ptr<Databases> databases)
        : databases_(std::move(databases)), thread_(loop, 1, kMostWaiting) {}

    void submit(Work work);
    void submit(xfrm::Transaction transaction, Done done);
    [[nodiscard]] bool full() const { return thread_.full(); }
    [[nodiscard]] bool idle() const { return thread_.idle(); }

   private:
    std::unique_ptr<Databases> databases_;  ///< the thread's
    WorkerPool thread_;
};

}  // namespace keysluice::control
