#include "daemon/shared/channel.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace keysluice {

namespace {

constexpr std::size_t kLargestPacket = 64UL * 1024;

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) {
        return fail("path-too-long", fmt::format("{}: a unix socket's path has at most {} bytes; choose a shorter "
                                                 "runtime_directory",
                                                 path, sizeof(address.sun_path) - 1));
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

}  // namespace

Channel::Channel(Loop& loop, UniqueFd socket, Owner& owner) : loop_(loop), socket_(std::move(socket)), owner_(owner) {
    loop_.add(socket_.get(), EPOLLIN, *this);
}

Channel::~Channel() {
    if (socket_) {
        loop_.remove(socket_.get(), *this);
    }
}

std::uint32_t Channel::peer_uid() const {
    return user_at_other_end(socket_.get());
}

bool Channel::send(const Message& message, Descriptors descriptors) {
    const bool sendable =
        descriptors.size() <= kMostDescriptors && std::ranges::all_of(descriptors, &UniqueFd::operator bool);
    if (!socket_ || queue_.size() >= kLongestQueue || !sendable) {
        return false;
    }
    Packet packet(encode(message), std::move(descriptors));
    if (!queue_.empty() || !write_out(packet)) {
        queue_.push_back(std::move(packet));
        if (queue_.size() == 1) {
            watch();
        }
    }
    return true;
}

bool Channel::write_out(const Packet& packet) {
    iovec data{.iov_base = const_cast<std::uint8_t*>(packet.body.data()), .iov_len = packet.body.size()};
    EnclosureRoom<kMostDescriptors> room;
    std::array<int, kMostDescriptors> descriptors{};
    std::ranges::transform(packet.descriptors, descriptors.begin(), &UniqueFd::get);
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    enclose(header, room.octets, std::span(descriptors).first(packet.descriptors.size()));
    if (sendmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
        return true;
    }
    // Any other failure is the end of the connection, which the next read reports.
    return errno != EAGAIN && errno != ETOOMANYREFS;
}

void Channel::flush() {
    while (!queue_.empty() && write_out(queue_.front())) {
        queue_.pop_front();
    }
    if (queue_.empty()) {
        watch();
        owner_.on_drained(*this);
    }
}

void Channel::set_reading(bool reading) {
    if (socket_ && std::exchange(reading_, reading) != reading) {
        watch();
    }
}

void Channel::watch() {
    loop_.modify(socket_.get(), (reading_ ? EPOLLIN : 0U) | (queue_.empty() ? 0U : EPOLLOUT), *this);
}

void Channel::on_events(std::uint32_t events) {
    if ((events & EPOLLOUT) != 0U) {
        flush();
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0U) {
        // A bounded number of packets a round, so that a busy neighbour leaves time for the connections.
        for (int i = 0; i < 32 && socket_ && (reading_ || (events & EPOLLHUP) != 0U) && receive_one(); ++i) {
        }
    }
}

bool Channel::receive_one() {
    static thread_local std::array<std::uint8_t, kLargestPacket> buffer;
    EnclosureRoom<kMostDescriptors> room;
    iovec data{.iov_base = buffer.data(), .iov_len = buffer.size()};
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = room.octets.data();
    header.msg_controllen = room.octets.size();
    const ssize_t size = recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    Descriptors descriptors = size < 0 ? Descriptors() : take_enclosed(header);  // also beside an empty packet
    if (size <= 0) {
        close("the process at the other end is gone");
        return false;
    }
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        wipe(buffer.data(), static_cast<std::size_t>(size));
        close("a message was cut off, or this process has no descriptors left");
        return false;
    }
    auto message = decode(Bytes(buffer).first(static_cast<std::size_t>(size)));
    wipe(buffer.data(), static_cast<std::size_t>(size));
    if (!message) {
        close(message.error().sentence);
        return false;
    }
    owner_.on_message(*this, std::move(*message), std::move(descriptors));
    return true;
}

void Channel::close(std::string_view why) {
    loop_.remove(socket_.get(), *this);
    socket_.reset();
    queue_.clear();
    owner_.on_closed(*this, why);
}

Result<UniqueFd> connect_channel(const std::string& path) {
    const auto address = address_of(path);
    if (!address) {
        return std::unexpected(address.error());
    }
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0) {
        return fail("channel-unreachable", fmt::format("{}: {}", path, std::strerror(errno)));
    }
    return socket;
}

Result<UniqueFd> ChannelListener::bind(const std::string& path) {
    const auto address = address_of(path);
    if (!address) {
        return std::unexpected(address.error());
    }
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::unlink(path.c_str());
    // Nobody can connect before listen().
    if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0 ||
        ::chmod(path.c_str(), 0660) != 0 || ::listen(socket.get(), 1024) != 0) {
        return fail(
            "channel-bind-failed",
            fmt::format("{}: cannot listen there: {}; does the directory exist, and may this user write to it?", path,
                        std::strerror(errno)));
    }
    return socket;
}

ChannelListener::ChannelListener(Loop& loop, UniqueFd socket, OnChannel on_channel)
    : loop_(loop), socket_(std::move(socket)), on_channel_(std::move(on_channel)) {
    loop_.add(socket_.get(), EPOLLIN, *this);
}

ChannelListener::~ChannelListener() {
    loop_.remove(socket_.get(), *this);
}

void ChannelListener::on_events(std::uint32_t /*events*/) {
    UniqueFd accepted(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!accepted) {
        return;
    }
    if (users_.may_call(user_at_other_end(accepted.get()))) {
        on_channel_(std::move(accepted));
    }
}

}  // namespace keysluice
