#include "daemon/shared/connector.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "daemon/shared/clock.hpp"

namespace keysluice {

Connector::Connector(Loop& loop, const std::vector<Endpoint>& targets, std::size_t first, Duration timeout, Done done)
    : loop_(loop), targets_(targets), next_(first % targets.size()), timeout_(timeout), done_(std::move(done)) {}

Connector::~Connector() {
    stop_waiting();
}

void Connector::try_next() {
    while (tried_ < targets_.size()) {
        const Endpoint& target = targets_[next_];
        next_ = (next_ + 1) % targets_.size();
        ++tried_;
        switch (attempt(target)) {
            case Attempt::connected:
                done_(std::move(socket_));
                return;
            case Attempt::waiting:
                waiting_ = true;
                loop_.add(socket_.get(), EPOLLOUT, *this);
                loop_.arm(*this, now() + timeout_);
                return;
            case Attempt::failed:
                give_up_attempt(errno);
                break;
        }
    }
    done_(fail("backend-unreachable",
               fmt::format("none of the {} targets in connect answers: {}", targets_.size(), answers_)));
}

Connector::Attempt Connector::attempt(const Endpoint& target) {
    const auto address = to_socket_address(target);
    if (!address) {
        errno = EINVAL;
        return Attempt::failed;
    }
    socket_.reset(::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket_) {
        return Attempt::failed;
    }
    if (address->family() != AF_UNIX) {
        const int on = 1;
        setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        setsockopt(socket_.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    }
    if (::connect(socket_.get(), address->get(), address->length) == 0) {
        return Attempt::connected;
    }
    return errno == EINPROGRESS ? Attempt::waiting : Attempt::failed;
}

void Connector::on_events(std::uint32_t /*events*/) {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    stop_waiting();
    if (error == 0) {
        done_(std::move(socket_));
        return;
    }
    give_up_attempt(error);
    try_next();
}

void Connector::on_deadline() {
    stop_waiting();
    give_up_attempt(ETIMEDOUT);
    try_next();
}

void Connector::give_up_attempt(int error) {
    socket_.reset();
    const std::size_t index = (next_ + targets_.size() - 1) % targets_.size();
    answers_ +=
        fmt::format("{}{}: {}", answers_.empty() ? "" : ", ", to_string(targets_[index]), std::strerror(error));
}

void Connector::stop_waiting() {
    if (std::exchange(waiting_, false)) {
        loop_.remove(socket_.get(), *this);
        loop_.disarm(*this);
    }
}

}  // namespace keysluice
