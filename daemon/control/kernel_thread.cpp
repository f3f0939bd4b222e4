#include "daemon/control/kernel_thread.hpp"

#include <utility>

namespace keysluice::control {

void KernelThread::submit(Work work) {
    thread_.submit([this, work = std::move(work)]() mutable { return work(*databases_); });
}

void KernelThread::submit(xfrm::Transaction transaction, Done done) {
    submit([transaction = std::move(transaction), done = std::move(done)](Databases& databases) mutable -> Then {
        return [result = databases.apply(transaction), done = std::move(done)]() mutable { done(std::move(result)); };
    });
}

}  // namespace keysluice::control
