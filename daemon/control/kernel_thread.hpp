#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "daemon/control/databases.hpp"
#include "daemon/shared/loop.hpp"
#include "xfrm/transaction.hpp"

namespace keysluice::control {

/// The one thread that changes SAD and SPD. The kernel works inside the calls, so a hundred changes would hold the
/// event loop for milliseconds, and the first SA of a kind, which loads modules, for longer.
///
/// Work is done piece by piece in the order of submit(); results come back on the loop.
class KernelThread final : Watcher {
   public:
    /// Called on the loop.
    using Done = std::function<void(Result<void>)>;
    using Then = std::move_only_function<void()>;
    /// Called on the thread; what it returns is called on the loop.
    using Work = std::move_only_function<Then(Databases&)>;
    /// When so many wait, nothing new should be begun.
    static constexpr std::size_t kMostWaiting = 4096;

    KernelThread(Loop& loop, std::unique_ptr<Databases> databases);
    /// Carries out what waits, and calls nobody any more.
    ~KernelThread() override;

    void submit(Work work);
    void submit(xfrm::Transaction transaction, Done done);
    [[nodiscard]] bool full() const { return under_way_ >= kMostWaiting; }
    [[nodiscard]] bool idle() const { return under_way_ == 0; }

   private:
    void on_events(std::uint32_t events) override;
    void work();

    Loop& loop_;
    std::unique_ptr<Databases> databases_;  ///< the thread's
    UniqueFd wake_;
    std::size_t under_way_ = 0;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Work> waiting_;    ///< under mutex_
    std::vector<Then> finished_;  ///< under mutex_
    bool ending_ = false;         ///< under mutex_
    std::thread thread_;
};

}  // namespace keysluice::control
