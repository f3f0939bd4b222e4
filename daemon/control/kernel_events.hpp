#pragma once

#include <functional>

#include "daemon/shared/loop.hpp"
#include "xfrm/kernel.hpp"

namespace keysluice::control {

/// Wakes up when the kernel has something to tell about IPsec, and passes it on.
class KernelEvents final : Watcher {
   public:
    using Hear = std::function<void(const xfrm::Event&)>;
    /// How many are passed on before others get their turn.
    static constexpr int kEventsPerTurn = 64;

    KernelEvents(Loop& loop, xfrm::Events events, Hear hear);
    ~KernelEvents() override;

   private:
    void on_events(std::uint32_t events) override;

    Loop& loop_;
    xfrm::Events events_;
    Hear hear_;
};

}  // namespace keysluice::control
