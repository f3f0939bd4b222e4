#pragma once

#include <functional>

#include "daemon/shared/messages.hpp"
#include "daemon/shared/timer.hpp"

namespace keysluice {

/// Tells keysluiced of connections that failed: the first kMostFailures of each kTick, so that whoever causes many
/// of them costs nobody anything. The counters have them all.
class FailureReport {
   public:
    static constexpr Duration kTick = std::chrono::milliseconds(100);

    using Send = std::function<void(Failures failures)>;
    FailureReport(Loop& loop, Send send);

    void add(Failure failure);

   private:
    void tell();

    Send send_;
    Timer tick_;
    Failures gathered_;
    bool ticking_ = false;
};

}  // namespace keysluice
