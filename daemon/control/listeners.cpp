#include "daemon/control/listeners.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace keysluice::control {

namespace {

/// The kernel cuts it to net.core.somaxconn.
constexpr int kBacklog = 4096;

Error why(const Endpoint& endpoint, int error) {
    const std::string address = to_string(endpoint);
    switch (error) {
        case EADDRINUSE:
            return {"address-in-use",
                    fmt::format("cannot listen on {}: another process does; `ss -ltnp` shows which", address)};
        case EADDRNOTAVAIL:
            return {"address-not-available",
                    fmt::format("cannot listen on {}: this host does not have that address", address)};
        case EACCES:
        case EPERM:
            return {"permission-denied",
                    fmt::format("cannot listen on {}: not permitted; ports below 1024 need CAP_NET_BIND_SERVICE, and "
                                "a unix socket needs a directory that may be written to",
                                address)};
        default:
            return {"listen-failed", fmt::format("cannot listen on {}: {}", address, std::strerror(error))};
    }
}

void set_option(int fd, int level, int name) {
    const int on = 1;
    setsockopt(fd, level, name, &on, sizeof(on));
}

/// A socket file that nobody listens on is what a killed process left behind.
void remove_stale_socket(const std::string& path, const SocketAddress& address, int type) {
    struct stat status{};
    if (lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) {
        return;
    }
    const UniqueFd probe(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (connect(probe.get(), address.get(), address.length) != 0 && errno == ECONNREFUSED) {
        unlink(path.c_str());
    }
}

/// Of a socket's file; null where there is none.
const std::string* path_of(const Endpoint& endpoint) {
    const auto* const stream = std::get_if<UnixEndpoint>(&endpoint);
    const auto* const packets = std::get_if<SubmitEndpoint>(&endpoint);
    return stream != nullptr ? &stream->path : packets != nullptr ? &packets->path : nullptr;
}

/// Anybody who gets as far as its folder may call a socket for submissions: the engine asks who it is. Nobody can
/// before listen().
bool let_all_call(const std::string& path) {
    constexpr mode_t kAll = 0666;
    return chmod(path.c_str(), kAll) == 0;
}

}  // namespace

bool is_shared_by_engines(const Endpoint& endpoint) {
    return path_of(endpoint) != nullptr;
}

Result<UniqueFd> bind_listener(const Endpoint& endpoint, bool shared_port) {
    const auto address = to_socket_address(endpoint);
    if (!address) {
        return std::unexpected(address.error());
    }
    const bool submissions = std::holds_alternative<SubmitEndpoint>(endpoint);
    const int type = submissions ? SOCK_SEQPACKET : SOCK_STREAM;
    UniqueFd fd(socket(address->family(), type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) {
        return std::unexpected(why(endpoint, errno));
    }
    const std::string* const path = path_of(endpoint);
    if (path != nullptr) {
        remove_stale_socket(*path, *address, type);
    } else {
        // Accepted connections inherit these from the listening socket: no system call for each of them.
        set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR);
        set_option(fd.get(), SOL_SOCKET, SO_KEEPALIVE);
        set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY);
        if (address->family() == AF_INET6) {
            set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY);
        }
        if (shared_port) {
            set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT);
        }
    }
    if (bind(fd.get(), address->get(), address->length) != 0 || (submissions && !let_all_call(*path)) ||
        listen(fd.get(), kBacklog) != 0) {
        return std::unexpected(why(endpoint, errno));
    }
    return fd;
}

Result<void> check_address_is_free(const Endpoint& endpoint) {
    if (is_shared_by_engines(endpoint)) {
        return {};
    }
    const auto probe = bind_listener(endpoint, false);
    return probe ? Result<void>{} : std::unexpected(probe.error());
}

std::string listener_name(const Endpoint& endpoint, std::uint16_t engine) {
    return is_shared_by_engines(endpoint) ? to_string(endpoint) : fmt::format("{} {}", to_string(endpoint), engine);
}

}  // namespace keysluice::control
