// echo_backend PORT: the plaintext server behind every service under test. It returns whatever it gets, on one
// thread.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/bytes.hpp"
#include "tests/bench/loopback.hpp"

namespace keysluice::bench {
namespace {

void watch(int epoll, int fd) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

void accept_all(int epoll, int listener) {
    for (int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC); fd >= 0;
         fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) {
        watch(epoll, fd);
    }
}

/// Echoes are small and each waits for the last, so the socket's buffer always has room: a short write is a failure.
void echo(int fd) {
    std::array<std::uint8_t, 4096> buffer;
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0 || ::send(fd, buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) {
        ::close(fd);
    }
}

int serve(int listener) {
    const UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    watch(epoll.get(), listener);
    std::array<epoll_event, 128> events;
    while (true) {
        const int ready = ::epoll_wait(epoll.get(), events.data(), events.size(), -1);
        if (ready < 0 && errno != EINTR) {
            return 1;
        }
        for (int i = 0; i < ready; ++i) {
            const int fd = events.at(static_cast<std::size_t>(i)).data.fd;
            fd == listener ? accept_all(epoll.get(), listener) : echo(fd);
        }
    }
}

int run(const char* port) {
    const Result<std::uint64_t> number = parse_number(port, 65535);
    if (!number) {
        return report(number.error());
    }
    const Result<UniqueFd> listener = listen_on(static_cast<std::uint16_t>(*number));
    return listener ? serve(listener->get()) : report(listener.error());
}

}  // namespace
}  // namespace keysluice::bench

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: echo_backend PORT\n", stderr);
        return 2;
    }
    return keysluice::bench::run(argv[1]);
}
