#include "daemon/control/kernel_thread.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

namespace keysluice::control {
namespace {

/// Signals are the loop's: a thread that starts now takes none.
class BlockedSignals {
   public:
    BlockedSignals() {
        sigset_t all{};
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;

   private:
    sigset_t before_{};
};

}  // namespace

KernelThread::KernelThread(Loop& loop, Apply apply)
    : loop_(loop), apply_(std::move(apply)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!wake_) {
        std::abort();
    }
    loop_.add(wake_.get(), EPOLLIN, *this);
    const BlockedSignals blocked;
    thread_ = std::thread([this] { work(); });
}

KernelThread::~KernelThread() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
    loop_.remove(wake_.get(), *this);
}

Result<void> KernelThread::room() const {
    if (under_way_ >= kMostWaiting) {
        return fail("kernel-busy", fmt::format("{} changes of SAs wait for the kernel already", under_way_));
    }
    return {};
}

void KernelThread::submit(xfrm::Transaction transaction, Done done) {
    ++under_way_;
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back({std::move(transaction), std::move(done)});
    }
    changed_.notify_one();
}

void KernelThread::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
        if (jobs_.empty()) {
            return;
        }
        Job job = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        Result<void> result = apply_(job.transaction);
        lock.lock();
        finished_.push_back({std::move(result), std::move(job.done)});
        const std::uint64_t one = 1;
        // It can only fail when the counter is about to overflow: then the loop is awake.
        static_cast<void>(::write(wake_.get(), &one, sizeof(one)) < 0);
    }
}

void KernelThread::on_events(std::uint32_t /*events*/) {
    std::uint64_t count = 0;
    static_cast<void>(::read(wake_.get(), &count, sizeof(count)) < 0);
    std::vector<Finished> finished;
    {
        const std::lock_guard lock(mutex_);
        finished = std::exchange(finished_, {});
    }
    for (Finished& each : finished) {
        --under_way_;
        each.done(std::move(each.result));
    }
}

}  // namespace keysluice::control
