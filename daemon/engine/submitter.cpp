#include "daemon/engine/submitter.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "daemon/engine/application.hpp"
#include "daemon/engine/submission.hpp"
#include "daemon/shared/enclosures.hpp"
#include "daemon/shared/sockets.hpp"

namespace keysluice {

namespace {

/// One is right; room for another one shows where there are more.
constexpr std::size_t kRoomForDescriptors = 2;

int option(int socket, int name) {
    int value = -1;
    socklen_t size = sizeof(value);
    return getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

}  // namespace

Result<Accepted> accept_submitted(UniqueFd socket) {
    const int family = option(socket.get(), SO_DOMAIN);
    // Multipath TCP (IPPROTO_MPTCP) takes no keys.
    if ((family != AF_INET && family != AF_INET6) || option(socket.get(), SO_TYPE) != SOCK_STREAM ||
        option(socket.get(), SO_PROTOCOL) != IPPROTO_TCP) {
        return fail("not-tcp", "what was submitted is not a TCP socket");
    }
    Accepted accepted{.socket = std::move(socket), .peer = {}};
    accepted.peer.length = sizeof(accepted.peer.storage);
    if (getpeername(accepted.socket.get(), reinterpret_cast<sockaddr*>(&accepted.peer.storage),
                    &accepted.peer.length) != 0) {
        return fail("not-connected", "the TCP socket that was submitted is not connected (any more)");
    }
    return accepted;
}

Submitter::Submitter(Loop& loop, Owner& owner, ServiceId service, UniqueFd channel)
    : loop_(loop),
      owner_(owner),
      service_(service),
      channel_(std::move(channel)),
      user_(user_at_other_end(channel_.get())),
      watched_(EPOLLIN) {
    loop_.add(channel_.get(), watched_, *this);
}

Submitter::~Submitter() {
    close();
}

void Submitter::close() {
    if (channel_) {
        loop_.remove(channel_.get(), *this);
        channel_.reset();
    }
    answers_.clear();
}

bool Submitter::answer(SecretBuffer description, UniqueFd socket) {
    if (!channel_) {
        return false;
    }
    const bool at_once = answers_.empty();
    answers_.push_back({std::move(description), std::move(socket)});
    if (at_once) {
        flush();
    }
    return true;
}

void Submitter::flush() {
    while (!answers_.empty()) {
        const Answer& first = answers_.front();
        const int socket = first.socket ? first.socket.get() : -1;
        if (!send_packet(channel_.get(), first.description, socket)) {
            if (errno == EAGAIN) {
                break;
            }
            shutdown(channel_.get(), SHUT_RDWR);  // the next event reports it
        }
        answers_.pop_front();
        --under_way_;
    }
    watch();
}

void Submitter::watch() {
    const std::uint32_t wanted = (reading() ? EPOLLIN : 0U) | (answers_.empty() ? 0U : EPOLLOUT) |
                                 (finishing_ && under_way_ == 0 ? EPOLLOUT : 0U);
    if (channel_ && std::exchange(watched_, wanted) != wanted) {
        loop_.modify(channel_.get(), wanted, *this);
    }
}

void Submitter::finish() {
    finishing_ = true;
    // Nothing more is taken in: who sends hears of it.
    shutdown(channel_.get(), SHUT_RD);
    watch();
}

void Submitter::discard_unread() {
    std::array<std::uint8_t, kLargestSubmission> buffer{};
    Descriptors descriptors;
    bool whole = false;
    while (receive(buffer, descriptors, whole) > 0) {
    }
}

void Submitter::on_events(std::uint32_t events) {
    const auto self = shared_from_this();
    if ((events & EPOLLOUT) != 0U) {
        flush();
    }
    if ((events & (EPOLLHUP | EPOLLERR)) != 0U || (finishing_ && under_way_ == 0)) {
        // Else the application would hear of a reset before it has read its last answers (unix_release_sock()).
        discard_unread();
        end(nullptr);
        return;
    }
    for (int i = 0; i < kBurst && channel_ && reading() && receive_one(); ++i) {
    }
    watch();
}

ssize_t Submitter::receive(MutableBytes buffer, Descriptors& descriptors, bool& whole) {
    EnclosureRoom<kRoomForDescriptors> room;
    iovec data{.iov_base = buffer.data(), .iov_len = buffer.size()};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = room.octets.data();
    message.msg_controllen = room.octets.size();
    const ssize_t size = recvmsg(channel_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size >= 0) {
        descriptors = take_enclosed(message);  // also beside an empty packet
        // An SO_LINGER of the application's could make our close() wait.
        std::ranges::for_each(descriptors, [](const UniqueFd& each) { close_in_order(each.get()); });
        whole = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
    }
    return size;
}

bool Submitter::receive_one() {
    std::array<std::uint8_t, kLargestSubmission> buffer{};
    Descriptors descriptors;
    bool whole = false;
    const ssize_t size = receive(buffer, descriptors, whole);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (size <= 0) {
        end(nullptr);
        return false;
    }
    const auto id = parse_submission(
        whole && descriptors.size() == 1 ? Bytes(buffer).first(static_cast<std::size_t>(size)) : Bytes());
    if (!id) {
        end(&id.error());
        return false;
    }
    ++under_way_;
    owner_.on_submitted(*this, *id, std::move(descriptors.front()));
    return true;
}

void Submitter::end(const Error* error) {
    if (channel_) {
        close();
        owner_.on_ended(*this, error);
    }
}

}  // namespace keysluice
