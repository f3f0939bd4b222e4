#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string_view>

#include "base/unique_fd.hpp"
#include "ktls/alert.hpp"
#include "ktls/record.hpp"
#include "tests/support/carried_pair.hpp"

namespace keysluice::test {

/// A pipe, and the answer of a splice from a socket into it.
struct Pipe {
    Pipe() {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
        out.reset(ends[0]);
        in.reset(ends[1]);
    }
    /// The number of bytes, or the negative errno.
    [[nodiscard]] ssize_t take_from(int socket) const {
        const ssize_t size = ::splice(socket, nullptr, in.get(), nullptr, 65536, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        return size < 0 ? -errno : size;
    }
    UniqueFd in;
    UniqueFd out;
};

/// Until the kernel has something to say about the socket.
inline void wait_for(int fd) {
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&waiting, 1, 10'000) == 1);
}

/// Reads records from one socket, and fails the test where that fails or does not fail as expected.
struct Reading {
    explicit Reading(int socket) : fd(socket) {}

    ktls::Record next(ktls::Splice before = ktls::Splice::none) {
        const auto record = ktls::receive_record(fd, buffer, before);
        require_ok(record);
        return *record;
    }
    ktls::Record peek(ktls::Splice before = ktls::Splice::none) {
        const auto record = ktls::peek_record(fd, MutableBytes{buffer}.first(1), before);
        require_ok(record);
        return *record;
    }
    std::string_view failure(ktls::Splice before = ktls::Splice::none) {
        const auto record = ktls::receive_record(fd, buffer, before);
        REQUIRE_FALSE(record);
        return record.error().reason;
    }
    [[nodiscard]] Bytes bytes(std::size_t size) const { return Bytes{buffer}.first(size); }

    int fd;
    std::array<std::uint8_t, 20'000> buffer{};
};

inline void send_alert(int fd, ktls::AlertDescription description) {
    const auto sent = ktls::send_control(fd, ktls::ContentType::alert, ktls::encode_alert(description));
    require_ok(sent);
    REQUIRE(*sent == ktls::Sent::yes);
}

/// A version as a type: TEST_CASE_TEMPLATE, because a SUBCASE in a loop over the versions would run once only.
template <ktls::Version kVersion>
struct With {
    static constexpr ktls::Version version = kVersion;
};
using Tls12 = With<ktls::Version::tls12>;
using Tls13 = With<ktls::Version::tls13>;

}  // namespace keysluice::test
