#include "daemon/shared/enclosures.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

using namespace keysluice;

namespace {

struct Pair {
    Pair() {
        std::array<int, 2> ends{};
        REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
        near.reset(ends[0]);
        far.reset(ends[1]);
    }
    UniqueFd near;
    UniqueFd far;
};

UniqueFd anything() {
    std::array<int, 2> ends{};
    REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
    ::close(ends[1]);
    return UniqueFd(ends[0]);
}

ino_t file_behind(int descriptor) {
    struct stat status{};
    REQUIRE(fstat(descriptor, &status) == 0);
    return status.st_ino;
}

bool send_one_octet(int socket, std::span<const int> descriptors) {
    char octet = 'x';
    iovec data{.iov_base = &octet, .iov_len = 1};
    EnclosureRoom<3> room;
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    enclose(message, room.octets, descriptors);
    return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

template <std::size_t Most>
Descriptors receive_one_octet(int socket, int& flags) {
    char octet = 0;
    iovec data{.iov_base = &octet, .iov_len = 1};
    EnclosureRoom<Most> room;
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = room.octets.data();
    message.msg_controllen = room.octets.size();
    REQUIRE(recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1);
    flags = message.msg_flags;
    return take_enclosed(message);
}

}  // namespace

TEST_SUITE_BEGIN("enclosures");

TEST_CASE_FIXTURE(Pair, "descriptors come beside a message, in their order") {
    const UniqueFd first = anything();
    const UniqueFd second = anything();
    REQUIRE(send_one_octet(near.get(), std::array{first.get(), second.get()}));
    int flags = 0;
    const Descriptors taken = receive_one_octet<3>(far.get(), flags);
    CHECK((flags & MSG_CTRUNC) == 0);
    REQUIRE(taken.size() == 2);
    CHECK(file_behind(taken[0].get()) == file_behind(first.get()));
    CHECK(file_behind(taken[1].get()) == file_behind(second.get()));
    CHECK(fcntl(taken[0].get(), F_GETFD) == FD_CLOEXEC);
}

TEST_CASE_FIXTURE(Pair, "none come with a message that has none") {
    REQUIRE(send_one_octet(near.get(), {}));
    int flags = 0;
    CHECK(receive_one_octet<3>(far.get(), flags).empty());
}

TEST_CASE_FIXTURE(Pair, "what is taken from a message that was cut off is owned, too") {
    const UniqueFd any = anything();
    REQUIRE(send_one_octet(near.get(), std::array{any.get(), any.get(), any.get()}));
    int flags = 0;
    int next = -1;
    {
        const Descriptors taken = receive_one_octet<1>(far.get(), flags);
        CHECK((flags & MSG_CTRUNC) != 0);
        CHECK(!taken.empty());
        next = taken.front().get();
    }
    CHECK(anything().get() == next);  // all are closed again: the lowest number is free
}

TEST_CASE_FIXTURE(Pair, "the user at the other end") {
    CHECK(user_at_other_end(near.get()) == geteuid());
    CHECK(user_at_other_end(anything().get()) == static_cast<uid_t>(-1));
}

TEST_SUITE_END();
