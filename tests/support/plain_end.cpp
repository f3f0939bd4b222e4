#include "tests/support/plain_end.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "tests/support/tcp_pair.hpp"

namespace keysluice::test {

PlainPair plain_tcp_pair() {
    ktls::TcpPair pair = tcp_pair();
    set_nonblocking(pair.server.get());
    return {std::move(pair.server), std::move(pair.client)};
}

PlainPair plain_unix_pair() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

void set_nonblocking(int fd) {
    REQUIRE(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
}

void set_buffers(int fd, int sending, int receiving) {
    REQUIRE(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sending, sizeof(sending)) == 0);
    REQUIRE(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receiving, sizeof(receiving)) == 0);
}

void close_with_reset(UniqueFd& socket) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    REQUIRE(::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
    socket.reset();
}

void PlainEnd::pump() {
    if (fd) {
        write();
        read();
    }
}

bool PlainEnd::has_arrived() const {
    int unacknowledged = 0;
    REQUIRE(::ioctl(fd.get(), SIOCOUTQ, &unacknowledged) == 0);
    return said_all() && unacknowledged == 0;
}

void PlainEnd::write() {
    if (!unsent_.empty()) {
        const ssize_t size = ::send(fd.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size > 0) {
            unsent_.erase(unsent_.begin(), unsent_.begin() + size);
        }
    }
    if (ending_ && unsent_.empty()) {
        ::shutdown(fd.get(), SHUT_WR);
        ending_ = false;
    }
}

void PlainEnd::read() {
    std::array<std::uint8_t, 65536> buffer{};
    while (reads && !over()) {
        const ssize_t size = ::recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size > 0) {
            received.insert(received.end(), buffer.begin(), buffer.begin() + size);
        } else if (size == 0) {
            ended = true;
        } else if (errno == EAGAIN) {
            return;
        } else {
            error = errno;
        }
    }
}

}  // namespace keysluice::test
