// transfer_backend PORT: the plaintext end of a bulk transfer, one connection at a time.
//
// Upload: reads the announced length and answers with its SHA-256. Download: sends the pattern, then its SHA-256.
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>

#include "tests/bench/loopback.hpp"
#include "tests/bench/payload.hpp"

namespace keysluice::bench {
namespace {

constexpr int kTimeoutSeconds = 60;

Result<std::size_t> read_some(int fd, MutableBytes target) {
    const ssize_t got = ::recv(fd, target.data(), target.size(), 0);
    if (got <= 0) {
        return fail("transfer-broken", got == 0 ? "the service closed before the end" : strerror(errno));
    }
    return static_cast<std::size_t>(got);
}

Result<void> write_all(int fd, Bytes bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
            return fail("transfer-broken", strerror(errno));
        }
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
    return {};
}

Result<void> transfer(int fd) {
    const auto reader = [fd](MutableBytes target) { return read_some(fd, target); };
    const auto writer = [fd](Bytes bytes) { return write_all(fd, bytes); };
    std::array<std::uint8_t, kHeaderSize> header{};
    if (Result<void> got = receive_exactly(header, reader); !got) {
        return got;
    }
    Reader fields(header);
    const auto direction = static_cast<Direction>(fields.be<std::uint8_t>());
    const auto length = fields.be<std::uint64_t>();
    Result<Digest> digest =
        direction == Direction::Upload ? receive_payload(length, reader) : send_payload(length, writer);
    if (!digest) {
        return pass_on(std::move(digest));
    }
    if (Result<void> sent = writer(*digest); !sent) {
        return sent;
    }
    // The client closes first, so that nothing of the digest is thrown away on the way.
    std::array<std::uint8_t, 1> rest{};
    static_cast<void>(read_some(fd, rest));
    return {};
}

int serve(int listener) {
    while (true) {
        pollfd waiting{.fd = listener, .events = POLLIN, .revents = 0};
        ::poll(&waiting, 1, -1);
        const UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
        if (!fd || !make_blocking(fd.get(), kTimeoutSeconds)) {
            continue;
        }
        if (const Result<void> done = transfer(fd.get()); !done) {
            report(done.error());
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
        std::fputs("usage: transfer_backend PORT\n", stderr);
        return 2;
    }
    return keysluice::bench::run(argv[1]);
}
