#include "daemon/engine/proxy_header.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

namespace keysluice {

namespace {

template <typename Address>
Address as(const SocketAddress& address) {
    Address specific{};
    std::memcpy(&specific, &address.storage, sizeof(specific));
    return specific;
}

proxy::TcpEnd tcp_end(const SocketAddress& address) {
    if (address.family() == AF_INET) {
        const auto four = as<sockaddr_in>(address);
        const auto* octets = reinterpret_cast<const std::uint8_t*>(&four.sin_addr);
        return {IpAddress::from_octets(Bytes(octets, 4)).value_or(IpAddress()), ntohs(four.sin_port)};
    }
    const auto six = as<sockaddr_in6>(address);
    return {IpAddress::from_octets(six.sin6_addr.s6_addr).value_or(IpAddress()), ntohs(six.sin6_port)};
}

std::string unix_path(const SocketAddress& address) {
    const auto local = as<sockaddr_un>(address);
    const std::size_t named = address.length - std::min<std::size_t>(address.length, offsetof(sockaddr_un, sun_path));
    const std::string_view path(local.sun_path, std::min(named, sizeof(local.sun_path)));
    return std::string(path.starts_with('\0') ? path : path.substr(0, path.find('\0')));
}

/// getsockname() or getpeername().
template <typename Ask>
SocketAddress ask(Ask question, int fd) {
    SocketAddress answer;
    answer.length = sizeof(answer.storage);
    if (question(fd, reinterpret_cast<sockaddr*>(&answer.storage), &answer.length) != 0) {
        return {};
    }
    return answer;
}

struct ToSocketAddress {
    std::optional<SocketAddress> operator()(std::monostate /*none*/) const { return std::nullopt; }
    std::optional<SocketAddress> operator()(const proxy::UnixEnds& /*ends*/) const {
        SocketAddress address;
        address.storage.ss_family = AF_UNIX;
        address.length = offsetof(sockaddr_un, sun_path);
        return address;
    }
    std::optional<SocketAddress> operator()(const proxy::TcpEnds& ends) const {
        const auto& [address, port] = ends.source;
        const Bytes octets = address.octets();
        Ipv4Endpoint four{.port = port};
        Ipv6Endpoint six{.port = port};
        const bool is_four = address.family() == Family::ipv4;
        std::ranges::copy(octets, is_four ? four.address.begin() : six.address.begin());
        const auto converted = to_socket_address(is_four ? Endpoint(four) : Endpoint(six));
        return converted ? std::optional(*converted) : std::nullopt;
    }
};

}  // namespace

proxy::Ends ends_of(int fd) {
    const SocketAddress peer = ask(getpeername, fd);
    const SocketAddress own = ask(getsockname, fd);
    if (own.family() == AF_UNIX) {
        return proxy::UnixEnds{unix_path(peer), unix_path(own)};
    }
    if (peer.family() != own.family() || (peer.family() != AF_INET && peer.family() != AF_INET6)) {
        return {};
    }
    return proxy::TcpEnds{tcp_end(peer), tcp_end(own)};
}

std::optional<SocketAddress> client_of(const proxy::Ends& ends) {
    return std::visit(ToSocketAddress{}, ends);
}

void describe_tls(const tls::Summary& session, proxy::Header& header) {
    header.alpn = session.alpn;
    header.authority = session.server_name;
    // A certificate that does not verify has ended the handshake.
    header.tls = proxy::ClientTls{.certificate = session.peer_certified,
                                  .authenticated = session.peer_certified,
                                  .verify = session.peer_certified ? 0U : 1U,
                                  .version = session.version == tls::Version::tls13 ? "TLSv1.3" : "TLSv1.2",
                                  .cipher = session.openssl_suite,
                                  .common_name = session.peer_common_name};
}

std::vector<std::uint8_t> preface_of(SendProxy version, const proxy::Header& header) {
    switch (version) {
        case SendProxy::none:
            return {};
        case SendProxy::v1:
            return proxy::write_v1(header.ends);
        case SendProxy::v2:
            return proxy::write_v2(header);
    }
    return {};
}

proxy::Versions versions_of(AcceptProxy accepted) {
    return {.v1 = accepted != AcceptProxy::v2, .v2 = accepted != AcceptProxy::v1};
}

}  // namespace keysluice
