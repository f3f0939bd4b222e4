#include "daemon/control/worker_pool.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "daemon/shared/blocked_signals.hpp"

namespace keysluice::control {
WorkerPool::WorkerPool(Loop& loop, std::size_t threads, std::size_t most_waiting)
    : loop_(loop), most_waiting_(most_waiting), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!wake_) {
        std::abort();
    }
    loop_.add(wake_.get(), EPOLLIN, *this);
    const BlockedSignals blocked;
    for (std::size_t i = 0; i < threads; ++i) {
        threads_.emplace_back([this] { work(); });
    }
}

WorkerPool::~WorkerPool() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) {
        thread.join();
    }
    loop_.remove(wake_.get(), *this);
}

void WorkerPool::submit(Job job) {
    ++under_way_;
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
}

void WorkerPool::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
        if (jobs_.empty()) {
            return;
        }
        Job job = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        Done done = job();
        job = nullptr;  // with the keys that may be in it
        lock.lock();
        finished_.push_back(std::move(done));
        const std::uint64_t one = 1;
        // It can only fail when the counter is about to overflow: then the loop is awake.
        static_cast<void>(::write(wake_.get(), &one, sizeof(one)) < 0);
    }
}

void WorkerPool::on_events(std::uint32_t /*events*/) {
    std::uint64_t count = 0;
    static_cast<void>(::read(wake_.get(), &count, sizeof(count)) < 0);
    std::vector<Done> finished;
    {
        const std::lock_guard lock(mutex_);
        finished = std::exchange(finished_, {});
    }
    for (Done& each : finished) {
        --under_way_;
        each();
    }
}

}  // namespace keysluice::control
