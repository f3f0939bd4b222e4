#include "tests/support/netlink_forger.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace keysluice::test {

NetlinkForger::NetlinkForger(const NetworkNamespace& there, int protocol)
    : socket_(there.run([protocol] { return ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol); })) {
    REQUIRE(socket_);
}

bool NetlinkForger::say(Bytes messages) const {
    // The kernel names the first socket of a process in a namespace after the process (net/netlink/af_netlink.c,
    // netlink_autobind).
    sockaddr_nl to{};
    to.nl_family = AF_NETLINK;
    to.nl_pid = static_cast<std::uint32_t>(::getpid());
    const ssize_t sent = ::sendto(socket_.get(), messages.data(), messages.size(), MSG_DONTWAIT,
                                  reinterpret_cast<const sockaddr*>(&to), sizeof(to));
    if (sent < 0) {
        REQUIRE(errno == EAGAIN);
    }
    return sent >= 0;
}

void NetlinkForger::fill_up() const {
    // Large ones first, then small ones where no large one fits. Nobody asked for them: their sequence number is none
    // of the receiver's.
    for (const std::size_t size : {16'384UL, sizeof(ForgedEnd)}) {
        const ForgedEnd nothing{.header = {.nlmsg_len = static_cast<std::uint32_t>(size),
                                           .nlmsg_type = NLMSG_NOOP,
                                           .nlmsg_flags = 0,
                                           .nlmsg_seq = 0xffff'0000,
                                           .nlmsg_pid = 0},
                                .error = 0};
        std::vector<std::uint8_t> rubbish(size);
        std::ranges::copy(bytes_of(nothing), rubbish.begin());
        while (say(rubbish)) {
        }
    }
}

Bytes bytes_of(const ForgedEnd& message) {
    return {reinterpret_cast<const std::uint8_t*>(&message), sizeof(message)};
}

}  // namespace keysluice::test
