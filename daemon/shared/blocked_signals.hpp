#pragma once

#include <pthread.h>
#include <signal.h>

namespace keysluice {

/// Signals are the main loop's: a thread that starts while this exists takes none.
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

}  // namespace keysluice
