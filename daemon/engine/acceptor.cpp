#include "daemon/engine/acceptor.hpp"

#include <sys/socket.h>

#include <cerrno>

#include "daemon/shared/clock.hpp"

namespace keysluice {

Acceptor::Acceptor(Loop& loop, Owner& owner, UniqueFd listener, std::shared_ptr<AcceptBalance> balance)
    : loop_(loop), owner_(owner), listener_(std::move(listener)), balance_(std::move(balance)) {
    loop_.add(listener_.get(), EPOLLIN, *this);
}

Acceptor::~Acceptor() {
    loop_.disarm(*this);
    loop_.remove(listener_.get(), *this);
}

void Acceptor::on_events(std::uint32_t /*events*/) {
    for (int i = 0; i < kBurst; ++i) {
        if (!owner_.has_room()) {
            owner_.on_exhausted(*this, 0);
            pause(kPause);
            return;
        }
        if (lets_others_go_first()) {
            pause(kStepBack);
            return;
        }
        Accepted accepted;
        accepted.peer.length = sizeof(accepted.peer.storage);
        accepted.socket.reset(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&accepted.peer.storage),
                                      &accepted.peer.length, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!accepted.socket) {
            // accept(2): EMFILE, ENFILE, ENOBUFS, ENOMEM mean that we are short of something; anything else belongs
            // to the one connection that is gone already, or to an empty queue.
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                owner_.on_exhausted(*this, errno);
                pause(kPause);
                return;
            }
            if (errno == EAGAIN) {
                own_turn_ = false;
                return;
            }
            continue;
        }
        if (balance_) {
            balance_->count();
        }
        owner_.on_accepted(*this, std::move(accepted));
    }
}

bool Acceptor::lets_others_go_first() {
    own_turn_ = balance_ && balance_->is_ahead() && !own_turn_;
    return own_turn_;
}

void Acceptor::pause(Duration how_long) {
    if (!std::exchange(paused_, true)) {
        loop_.modify(listener_.get(), 0, *this);
        loop_.arm(*this, now() + how_long);
    }
}

void Acceptor::on_deadline() {
    paused_ = false;
    loop_.modify(listener_.get(), EPOLLIN, *this);
    on_events(EPOLLIN);
}

}  // namespace keysluice
