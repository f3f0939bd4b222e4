#include "ktls/loopback.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace keysluice::ktls {
namespace {

std::unexpected<Error> unavailable() {
    return fail("loopback-unavailable",
                fmt::format("connecting over the loopback interface: {}; is `lo` up?", std::strerror(errno)));
}

Result<TcpPair> connect_through(const sockaddr* any_port, socklen_t size) {
    const int type = SOCK_STREAM | SOCK_CLOEXEC;
    const UniqueFd listener{::socket(any_port->sa_family, type, 0)};
    TcpPair pair{.client = UniqueFd{::socket(any_port->sa_family, type, 0)}, .server = {}};
    // Some kernels drop the SYN where `lo` is down, and would send it again for two minutes.
    const int once_more = 1;
    if (!listener || !pair.client ||
        ::setsockopt(pair.client.get(), IPPROTO_TCP, TCP_SYNCNT, &once_more, sizeof(once_more)) != 0 ||
        ::bind(listener.get(), any_port, size) != 0 || ::listen(listener.get(), 1) != 0) {
        return unavailable();
    }
    sockaddr_storage address{};
    socklen_t address_size = sizeof(address);
    auto* const bound = reinterpret_cast<sockaddr*>(&address);
    if (::getsockname(listener.get(), bound, &address_size) != 0 ||
        ::connect(pair.client.get(), bound, address_size) != 0) {
        return unavailable();
    }
    pair.server.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!pair.server) {
        return unavailable();
    }
    return pair;
}

}  // namespace

Result<TcpPair> connect_loopback() {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (auto pair = connect_through(reinterpret_cast<const sockaddr*>(&v4), sizeof(v4))) {
        return pair;
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_addr = in6addr_loopback;
    return connect_through(reinterpret_cast<const sockaddr*>(&v6), sizeof(v6));
}

}  // namespace keysluice::ktls
