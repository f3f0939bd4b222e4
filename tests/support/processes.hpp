#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"
#include "daemon/shared/channel.hpp"
#include "daemon/shared/clock.hpp"
#include "daemon/shared/loop.hpp"

namespace keysluice::test {

/// A runtime directory that goes with this object.
class RuntimeFolder {
   public:
    RuntimeFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "keysluice-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    RuntimeFolder(const RuntimeFolder&) = delete;
    RuntimeFolder& operator=(const RuntimeFolder&) = delete;
    ~RuntimeFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] std::string operator/(const std::string& name) const { return path_ / name; }
    [[nodiscard]] const std::string& path() const { return path_.native(); }

   private:
    std::filesystem::path path_;
};

/// Turns the loop until it is so. Only a failure takes its time.
template <typename Condition>
void turn_until(Loop& loop, Condition condition) {
    const Instant patience = now() + std::chrono::seconds(30);
    while (!condition()) {
        REQUIRE(now() < patience);
        loop.turn(std::chrono::milliseconds(5));
    }
}

/// What unix sockets and expired deadlines have to say is there at once: so many rounds that nothing is left to do.
inline void settle(Loop& loop) {
    for (int i = 0; i < 20; ++i) {
        loop.turn(Duration::zero());
    }
}

using FdPair = std::pair<UniqueFd, UniqueFd>;

/// A connection between two processes, as a channel has it.
inline FdPair seqpacket_pair() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

inline FdPair stream_pair() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// A pipe of which one end is given away: the other one tells whether somebody still holds it.
struct Token {
    Token() {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
        mine.reset(ends[0]);
        theirs.reset(ends[1]);
    }
    /// The end to give away, once.
    [[nodiscard]] Descriptors give() {
        Descriptors one;
        one.push_back(std::move(theirs));
        return one;
    }
    /// Nobody holds the other end.
    [[nodiscard]] bool let_go() const {
        pollfd asked{.fd = mine.get(), .events = POLLIN, .revents = 0};
        return ::poll(&asked, 1, 0) == 1 && (asked.revents & POLLHUP) != 0;
    }
    /// Whether `fd` is a duplicate of the end that was given away.
    [[nodiscard]] bool is_other_end(int fd) const {
        char byte = 0;
        return ::write(fd, "x", 1) == 1 && ::read(mine.get(), &byte, 1) == 1 && byte == 'x';
    }
    UniqueFd mine;
    UniqueFd theirs;
};

/// Several descriptors in one list.
template <typename... Fds>
[[nodiscard]] Descriptors descriptors(Fds&&... fds) {
    Descriptors list;
    (list.push_back(std::forward<Fds>(fds)), ...);
    return list;
}

/// One end of a channel that keeps what comes.
struct Mailbox final : Channel::Owner {
    struct Mail {
        Message message;
        Descriptors descriptors;
    };

    Mailbox(Loop& loop, UniqueFd socket) : channel(loop, std::move(socket), *this) {}

    void on_message(Channel& /*channel*/, Message message, Descriptors attached) override {
        mail.push_back({std::move(message), std::move(attached)});
    }
    void on_closed(Channel& /*channel*/, std::string_view reason) override { why = reason; }
    void on_drained(Channel& /*channel*/) override { ++drained; }

    /// How many messages of this kind came.
    template <typename Kind>
    [[nodiscard]] std::size_t count() const {
        std::size_t found = 0;
        for (const Mail& one : mail) {
            found += std::holds_alternative<Kind>(one.message) ? 1U : 0U;
        }
        return found;
    }
    template <typename Kind>
    [[nodiscard]] const Kind& at(std::size_t index) const {
        REQUIRE(index < mail.size());
        REQUIRE(std::holds_alternative<Kind>(mail[index].message));
        return std::get<Kind>(mail[index].message);
    }

    std::vector<Mail> mail;
    std::string why;
    int drained = 0;
    Channel channel;
};

}  // namespace keysluice::test
