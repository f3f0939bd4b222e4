#include "daemon/control/kernel_thread.hpp"

#include <utility>

namespace keysluice::control {

void KernelThread::submit(xfrm::Transaction transaction, Done done) {
    thread_.submit(
        [this, transaction = std::move(transaction), done = std::move(done)]() mutable -> WorkerPool::Done {
            return [result = apply_(transaction), done = std::move(done)]() mutable { done(std::move(result)); };
        });
}

}  // namespace keysluice::control
