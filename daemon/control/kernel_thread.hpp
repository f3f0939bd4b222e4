#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "daemon/shared/loop.hpp"
#include "xfrm/transaction.hpp"

namespace keysluice::control {

/// The one thread that changes SAD and SPD. The kernel works inside the calls, so a hundred changes would hold the
/// event loop for milliseconds, and the first SA of a kind, which loads modules, for longer.
///
/// Transactions are carried out one after the other in the order of submit(); results come back on the loop.
class KernelThread final : Watcher {
   public:
    /// Called on the thread.
    using Apply = std::function<Result<void>(const xfrm::Transaction&)>;
    /// Called on the loop.
    using Done = std::function<void(Result<void>)>;
    /// When so many wait, there is no room().
    static constexpr std::size_t kMostWaiting = 4096;

    KernelThread(Loop& loop, Apply apply);
    /// Carries out what waits, and calls nobody any more.
    ~KernelThread() override;

    void submit(xfrm::Transaction transaction, Done done);
    /// To be asked before anything is added; what is removed may always wait. Fails with "kernel-busy".
    [[nodiscard]] Result<void> room() const;
    [[nodiscard]] bool idle() const { return under_way_ == 0; }

   private:
    struct Job {
        xfrm::Transaction transaction;
        Done done;
    };
    struct Finished {
        Result<void> result;
        Done done;
    };

    void on_events(std::uint32_t events) override;
    void work();

    Loop& loop_;
    Apply apply_;
    UniqueFd wake_;
    std::size_t under_way_ = 0;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Job> jobs_;            ///< under mutex_
    std::vector<Finished> finished_;  ///< under mutex_
    bool ending_ = false;             ///< under mutex_
    std::thread thread_;
};

}  // namespace keysluice::control
