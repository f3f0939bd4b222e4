#pragma once

#include <deque>
#include <functional>
#include <mutex>

#include "base/unique_fd.hpp"
#include "daemon/shared/loop.hpp"

namespace keysluice {

/// Takes work from other threads into the thread of a loop.
///
/// It has no limit of its own: whoever posts has one for what is under way.
class Postbox final : Watcher {
   public:
    using Letter = std::move_only_function<void()>;

    explicit Postbox(Loop& loop);
    /// Nobody may post any more. What has not been carried out is dropped.
    ~Postbox() override;

    /// From any thread. Letters are carried out on the loop, in their order, one in each round: what else waits there
    /// waits for one of them at most.
    void post(Letter letter);

   private:
    void on_events(std::uint32_t events) override;

    Loop& loop_;
    UniqueFd wake_;
    std::mutex mutex_;
    std::deque<Letter> letters_;  ///< under mutex_
};

}  // namespace keysluice
