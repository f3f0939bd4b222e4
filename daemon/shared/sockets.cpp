#include "daemon/shared/sockets.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

namespace keysluice {

std::string describe_peer(const SocketAddress& peer) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (peer.family() == AF_INET) {
        sockaddr_in address{};
        std::memcpy(&address, &peer.storage, sizeof(address));
        inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
        return fmt::format("{}:{}", text.data(), ntohs(address.sin_port));
    }
    if (peer.family() == AF_INET6) {
        sockaddr_in6 address{};
        std::memcpy(&address, &peer.storage, sizeof(address));
        inet_ntop(AF_INET6, &address.sin6_addr, text.data(), text.size());
        return fmt::format("[{}]:{}", text.data(), ntohs(address.sin6_port));
    }
    return "a local process";
}

std::string describe_peer(int fd) {
    SocketAddress peer;
    peer.length = sizeof(peer.storage);
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer.storage), &peer.length) != 0) {
        return "a peer that is gone";
    }
    return describe_peer(peer);
}

std::string describe_local(int fd) {
    SocketAddress own;
    own.length = sizeof(own.storage);
    return getsockname(fd, reinterpret_cast<sockaddr*>(&own.storage), &own.length) == 0 ? describe_peer(own) : "";
}

void reset_on_close(int fd) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void close_in_order(int fd) {
    const linger in_background{.l_onoff = 0, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &in_background, sizeof(in_background));
}

bool has_unread(int fd) {
    int octets = 0;
    return ioctl(fd, FIONREAD, &octets) == 0 && octets > 0;
}

std::size_t raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1024;
    }
    rlimit raised = limit;
    raised.rlim_cur = raised.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
        limit = raised;
    }
    return limit.rlim_cur;
}

std::string runtime_path(const std::string& directory, std::string_view name) {
    return fmt::format("{}/{}", directory, name);
}

}  // namespace keysluice
