#include "daemon/control/kernel_thread.hpp"

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

KernelThread::KernelThread(Loop& loop, std::unique_ptr<Databases> databases)
    : loop_(loop), databases_(std::move(databases)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
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

void KernelThread::submit(Work work) {
    ++under_way_;
    {
        const std::lock_guard lock(mutex_);
        waiting_.push_back(std::move(work));
    }
    changed_.notify_one();
}

void KernelThread::submit(xfrm::Transaction transaction, Done done) {
    submit([transaction = std::move(transaction), done = std::move(done)](Databases& databases) mutable -> Then {
        return [result = databases.apply(transaction), done = std::move(done)]() mutable { done(std::move(result)); };
    });
}

void KernelThread::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
        if (waiting_.empty()) {
            return;
        }
        Work work = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        Then then = work(*databases_);
        work = nullptr;  // with the keys in it
        lock.lock();
        finished_.push_back(std::move(then));
        const std::uint64_t one = 1;
        // It can only fail when the counter is about to overflow: then the loop is awake.
        static_cast<void>(::write(wake_.get(), &one, sizeof(one)) < 0);
    }
}

void KernelThread::on_events(std::uint32_t /*events*/) {
    std::uint64_t count = 0;
    static_cast<void>(::read(wake_.get(), &count, sizeof(count)) < 0);
    std::vector<Then> finished;
    {
        const std::lock_guard lock(mutex_);
        finished = std::exchange(finished_, {});
    }
    for (Then& then : finished) {
        --under_way_;
        then();
    }
}

}  // namespace keysluice::control
