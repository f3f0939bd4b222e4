#include "netlink/listener.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "netlink/messages.hpp"

namespace keysluice::netlink {
namespace {

constexpr std::size_t kBufferSize = 32'768;

std::unexpected<Error> unavailable(std::string_view doing) {
    return fail("netlink-unavailable", fmt::format("{}: {}", doing, std::strerror(errno)));
}

}  // namespace

Listener::Listener(UniqueFd socket) : socket_(std::move(socket)), buffer_(kBufferSize) {}

Result<Listener> Listener::open(int protocol, std::span<const int> groups, int receive_buffer) {
    UniqueFd socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol)};
    if (!socket) {
        return unavailable(fmt::format("opening a netlink socket of protocol {}", protocol));
    }
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof(receive_buffer)) != 0) {
        return unavailable(fmt::format("giving a netlink socket a receive buffer of {} bytes", receive_buffer));
    }
    sockaddr_nl own{};
    own.nl_family = AF_NETLINK;
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof(own)) != 0) {
        return unavailable("binding a netlink socket");
    }
    Listener listener(std::move(socket));
    for (const int group : groups) {
        if (auto joined = listener.join(protocol, group); !joined) {
            return pass_on(std::move(joined));
        }
    }
    return listener;
}

Result<void> Listener::join(int protocol, int group) {
    if (::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0) {
        return unavailable(fmt::format("joining the netlink group {} of protocol {}", group, protocol));
    }
    return {};
}

void Listener::leave(int group) {
    ::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof(group));
}

Result<Listener::Received> Listener::receive(const std::function<void(const nlmsghdr&)>& visit) {
    sockaddr_nl sender{};
    socklen_t sender_size = sizeof(sender);
    ssize_t received = -1;
    do {
        received = ::recvfrom(socket_.get(), buffer_.data(), buffer_.size(), MSG_TRUNC,
                              reinterpret_cast<sockaddr*>(&sender), &sender_size);
    } while (received < 0 && errno == EINTR);
    if (received < 0) {
        switch (errno) {
            case EAGAIN:
                return Received::nothing;
            case ENOBUFS:
                return Received::lost;
            default:
                return fail("netlink-receive-failed",
                            fmt::format("receiving from the kernel: {}", std::strerror(errno)));
        }
    }
    if (static_cast<std::size_t>(received) > buffer_.size()) {
        return Received::lost;
    }
    // The kernel is port 0; whoever else sends is not believed.
    Bytes rest = Bytes{buffer_}.first(sender.nl_pid == 0 ? static_cast<std::size_t>(received) : 0);
    while (const nlmsghdr* message = next_message(rest)) {
        visit(*message);
    }
    return Received::messages;
}

}  // namespace keysluice::netlink
