#include "tests/bench/loopback.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

namespace keysluice::bench {
namespace {

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

std::unexpected<Error> failed(std::string_view what, std::uint16_t port) {
    return fail("socket-failed", std::string(what) + " 127.0.0.1:" + std::to_string(port) + ": " + strerror(errno));
}

Result<UniqueFd> tcp_socket(std::uint16_t port) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) {
        return failed("no socket for", port);
    }
    // What is accepted inherits it. Else the halves of an answer would wait for a delayed ACK in between.
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

}  // namespace

Result<UniqueFd> listen_on(std::uint16_t port) {
    Result<UniqueFd> fd = tcp_socket(port);
    if (!fd) {
        return fd;
    }
    const int on = 1;
    ::setsockopt(fd->get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in address = loopback(port);
    if (::bind(fd->get(), std::bit_cast<const sockaddr*>(&address), sizeof address) < 0 ||
        ::listen(fd->get(), SOMAXCONN) < 0) {
        return failed("cannot listen on", port);
    }
    return fd;
}

Result<UniqueFd> start_connect(std::uint16_t port) {
    Result<UniqueFd> fd = tcp_socket(port);
    if (!fd) {
        return fd;
    }
    const sockaddr_in address = loopback(port);
    if (::connect(fd->get(), std::bit_cast<const sockaddr*>(&address), sizeof address) < 0 && errno != EINPROGRESS) {
        return failed("cannot connect to", port);
    }
    return fd;
}

Result<UniqueFd> connect_blocking(std::uint16_t port, int timeout_seconds) {
    // Loopback connects at once or never, so starting it is as good as waiting for it.
    Result<UniqueFd> fd = start_connect(port);
    if (!fd) {
        return fd;
    }
    if (Result<void> blocking = make_blocking(fd->get(), timeout_seconds); !blocking) {
        return pass_on(std::move(blocking));
    }
    return fd;
}

Result<void> make_blocking(int fd, int timeout_seconds) {
    const timeval timeout{.tv_sec = timeout_seconds, .tv_usec = 0};
    if (::fcntl(fd, F_SETFL, 0) < 0 || ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) < 0 ||
        ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0) {
        return fail("socket-failed", std::string("cannot make a socket blocking: ") + strerror(errno));
    }
    return {};
}

Result<std::uint64_t> parse_number(const char* text, std::uint64_t most) {
    const std::string_view digits(text);
    std::uint64_t number = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (code != std::errc() || end != digits.data() + digits.size() || number < 1 || number > most) {
        return fail("bad-argument",
                    "expected a number from 1 to " + std::to_string(most) + ", got \"" + std::string(digits) + "\"");
    }
    return number;
}

double percentile(std::vector<double>& samples, double share) {
    const auto rank = static_cast<std::size_t>(share * static_cast<double>(samples.size() - 1));
    std::ranges::nth_element(samples, samples.begin() + static_cast<std::ptrdiff_t>(rank));
    return samples[rank];
}

int report(const Error& error) {
    std::fprintf(stderr, "%.*s: %s\n", static_cast<int>(error.reason.size()), error.reason.data(),
                 error.sentence.c_str());
    return 1;
}

}  // namespace keysluice::bench
