#include "daemon/shared/inherited.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

using namespace keysluice;

namespace {

bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

/// Whether it is so in a process that was started with sockets as 3 and 4, and with something else as 7: 5 and 6 are
/// closed, whatever the tests before have left open.
bool in_child(const std::string& listen_fds, bool for_us, const std::function<bool()>& check) {
    const pid_t child = fork();
    if (child == 0) {
        for (const int fd : {3, 4}) {
            const int socket = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
            dup2(socket, fd);
        }
        close_range(5, 6, 0);
        dup2(STDERR_FILENO, 7);
        setenv("LISTEN_FDS", listen_fds.c_str(), 1);
        setenv("LISTEN_PID", std::to_string(for_us ? getpid() : getppid()).c_str(), 1);
        _exit(check() ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool nothing_is_taken() {
    return take_inherited().empty() && is_open(STDERR_FILENO) && !is_open(3) && !is_open(4) && !is_open(7);
}

}  // namespace

TEST_CASE("the service manager's sockets are taken, the rest is closed") {
    CHECK(in_child("2", true, [] {
        const auto sockets = take_inherited();
        return sockets.size() == 2 && sockets[0].descriptor.get() == 3 && sockets[1].descriptor.get() == 4 &&
               (fcntl(3, F_GETFD) & FD_CLOEXEC) != 0 && (fcntl(4, F_GETFL) & O_NONBLOCK) != 0 && !is_open(7) &&
               is_open(STDERR_FILENO) && getenv("LISTEN_FDS") == nullptr;
    }));
}

TEST_CASE("each has its name, as far as there are names") {
    CHECK(in_child("2", true, [] {
        setenv("LISTEN_FDNAMES", "ike-state:ike-ipv4-500", 1);
        const auto all = take_inherited();
        return all[0].name == "ike-state" && all[1].name == "ike-ipv4-500" && getenv("LISTEN_FDNAMES") == nullptr;
    }));
    CHECK(in_child("2", true, [] {
        setenv("LISTEN_FDNAMES", "one", 1);
        const auto all = take_inherited();
        return all[0].name == "one" && all[1].name.empty();
    }));
}

TEST_CASE("one that is announced and closed is left out") {
    CHECK(in_child("3", true, [] { return take_inherited().size() == 2; }));
}

TEST_CASE("sockets for another process, or a number that is none, are not taken and closed") {
    CHECK(in_child("2", false, nothing_is_taken));
    CHECK(in_child("two", true, nothing_is_taken));
    CHECK(in_child("-2", true, nothing_is_taken));
}
