#include "daemon/shared/failure_report.hpp"

#include <utility>

#include "daemon/shared/clock.hpp"

namespace keysluice {

FailureReport::FailureReport(Loop& loop, Send send) : send_(std::move(send)), tick_(loop, [this] { tell(); }) {}

void FailureReport::add(Failure failure) {
    if (gathered_.failures.size() < kMostFailures) {
        gathered_.failures.push_back(std::move(failure));
    }
    if (!std::exchange(ticking_, true)) {
        tick_.arm(now() + kTick);
    }
}

void FailureReport::tell() {
    ticking_ = false;
    send_(std::exchange(gathered_, {}));
}

}  // namespace keysluice
