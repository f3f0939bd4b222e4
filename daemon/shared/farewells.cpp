#include "daemon/shared/farewells.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "daemon/shared/clock.hpp"

namespace keysluice {

Farewells::~Farewells() {
    while (!sockets_.empty()) {
        close(sockets_.front());
    }
}

void Farewells::add(UniqueFd socket) {
    if (sockets_.size() >= kMost) {
        return;
    }
    shutdown(socket.get(), SHUT_WR);
    Farewell& farewell = sockets_.emplace_back(*this, std::move(socket));
    farewell.self = std::prev(sockets_.end());
    loop_.add(farewell.socket.get(), EPOLLIN | EPOLLRDHUP, farewell);
    loop_.arm(farewell, now() + kLongest);
}

void Farewells::Farewell::on_events(std::uint32_t events) {
    static thread_local std::array<char, 16UL * 1024> rubbish;
    const ssize_t size = recv(socket.get(), rubbish.data(), rubbish.size(), MSG_DONTWAIT);
    if (size > 0) {
        discarded += static_cast<std::size_t>(size);
    }
    const bool nothing_yet =
        size < 0 && (errno == EAGAIN || errno == EINTR) && (events & (EPOLLHUP | EPOLLERR)) == 0U;
    if ((size <= 0 && !nothing_yet) || discarded > kMostBytes) {
        owner.close(*this);
    }
}

void Farewells::close(Farewell& farewell) {
    loop_.remove(farewell.socket.get(), farewell);
    loop_.disarm(farewell);
    sockets_.erase(farewell.self);
}

}  // namespace keysluice
