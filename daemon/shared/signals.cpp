#include "daemon/shared/signals.hpp"

#include <signal.h>
#include <sys/signalfd.h>

#include <utility>

namespace keysluice {

Signals::Signals(Loop& loop, std::initializer_list<int> signals, std::function<void(int)> on_signal)
    : loop_(loop), on_signal_(std::move(on_signal)) {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : signals) {
        sigaddset(&set, signal);
    }
    sigprocmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    fd_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    loop_.add(fd_.get(), EPOLLIN, *this);
}

Signals::~Signals() {
    loop_.remove(fd_.get(), *this);
}

void Signals::on_events(std::uint32_t /*events*/) {
    signalfd_siginfo info{};
    while (read(fd_.get(), &info, sizeof(info)) == sizeof(info)) {
        on_signal_(static_cast<int>(info.ssi_signo));
    }
}

void restore_signals() {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
}

}  // namespace keysluice
