#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"
#include "daemon/shared/loop.hpp"

namespace keysluice::control {

/// A few threads for what would hold the event loop up: mathematics, and calls in which the kernel works.
///
/// With one thread, jobs are carried out one after the other in the order of submit(); with more, in any order.
/// What a job works with is its own, or never changes.
class WorkerPool final : Watcher {
   public:
    /// Called on the loop.
    using Done = std::move_only_function<void()>;
    /// Called on a thread.
    using Job = std::move_only_function<Done()>;

    WorkerPool(Loop& loop, std::size_t threads, std::size_t most_waiting);
    /// Carries out what waits, and calls nobody any more.
    ~WorkerPool() override;

    void submit(Job job);
    /// So many wait or are under way that nothing new should be begun.
    [[nodiscard]] bool full() const { return under_way_ >= most_waiting_; }
    [[nodiscard]] bool idle() const { return under_way_ == 0; }

   private:
    void on_events(std::uint32_t events) override;
    void work();

    Loop& loop_;
    std::size_t most_waiting_;
    UniqueFd wake_;
    std::size_t under_way_ = 0;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Job> jobs_;        ///< under mutex_
    std::vector<Done> finished_;  ///< under mutex_
    bool ending_ = false;         ///< under mutex_
    std::vector<std::thread> threads_;
};

}  // namespace keysluice::control
