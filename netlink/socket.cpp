#include "netlink/socket.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/bytes.hpp"
#include "netlink/ack.hpp"
#include "netlink/messages.hpp"

namespace keysluice::netlink {
namespace {

constexpr timeval kSilence{.tv_sec = 2, .tv_usec = 0};
constexpr std::size_t kMaxMessages = 4'000'000;
// The largest piece in which the kernel hands out a dump (net/netlink/af_netlink.c, netlink_dump).
constexpr std::size_t kBufferSize = 32'768;
// For the acknowledgements of a whole batch, each with a sentence.
constexpr int kReceiveBuffer = 1 << 20;

std::unexpected<Error> system_failure(std::string_view reason, std::string_view doing) {
    return fail(reason, fmt::format("{}: {}", doing, std::strerror(errno)));
}

std::unexpected<Error> receive_failure(std::string_view what) {
    switch (errno) {
        case EAGAIN:
            return fail("netlink-silent",
                        fmt::format("the kernel did not answer {} within {} s", what, kSilence.tv_sec));
        case ENOBUFS:
            return fail("netlink-answers-lost",
                        fmt::format("answers to {} did not fit into the socket's receive buffer", what));
        default:
            return system_failure("netlink-receive-failed", fmt::format("receiving the answer to {}", what));
    }
}

/// A larger buffer is a precaution: whoever may not have it (CAP_NET_ADMIN) gets what the system allows.
void enlarge_receive_buffer(int fd) {
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof(kReceiveBuffer)) != 0) {
        static_cast<void>(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof(kReceiveBuffer)));
    }
}

/// Where a transaction of nfnetlink begins or ends.
Request boundary(std::uint16_t type, std::uint16_t subsystem) {
    const nfgenmsg fixed{.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(subsystem)};
    Request request{type};
    request.structure(fixed);
    return request;
}

}  // namespace

struct Socket::Dump {
    unsigned int sequence;
    std::string_view what;
    const Socket::Visitor& visit;
    std::size_t seen = 0;
    bool interrupted = false;
    Result<void> visited = {};

    Result<Progress> take(const nlmsghdr& message) {
        // The late answer of a dump that was given up because the kernel was silent.
        if (message.nlmsg_seq != sequence) {
            return Progress::more;
        }
        interrupted = interrupted || (message.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        if (message.nlmsg_type == NLMSG_ERROR || message.nlmsg_type == NLMSG_DONE) {
            return finish(message);
        }
        if (message.nlmsg_type < NLMSG_MIN_TYPE) {
            return Progress::more;
        }
        if (++seen > kMaxMessages) {
            return fail("netlink-malformed",
                        fmt::format("the kernel answered {} with more than {} messages", what, kMaxMessages));
        }
        // The rest of a dump that its visitor has given up is read all the same: the kernel takes no other one
        // before.
        if (visited) {
            visited = visit(message);
        }
        return Progress::more;
    }

    Result<Progress> finish(const nlmsghdr& message) const {
        const auto ack = acknowledgement(message);
        if (!ack) {
            return fail("netlink-malformed", fmt::format("the kernel's answer to {} was cut short", what));
        }
        if (ack->error != 0) {
            return std::unexpected(refusal(*ack, what));
        }
        if (!visited) {
            return std::unexpected(visited.error());
        }
        if (interrupted) {
            return fail("netlink-dump-interrupted",
                        fmt::format("what {} lists changed while the kernel listed it; try again", what));
        }
        return Progress::done;
    }
};

Result<Socket> Socket::open(int protocol) {
    Handle handle{mnl_socket_open2(protocol, SOCK_CLOEXEC)};
    if (!handle || mnl_socket_bind(handle.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
        return system_failure("netlink-unavailable",
                              fmt::format("opening a netlink socket of protocol {}", protocol));
    }
    if (setsockopt(mnl_socket_get_fd(handle.get()), SOL_SOCKET, SO_RCVTIMEO, &kSilence, sizeof(kSilence)) != 0) {
        return system_failure("netlink-unavailable", "limiting the wait on a netlink socket");
    }
    enlarge_receive_buffer(mnl_socket_get_fd(handle.get()));
    for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK}) {
        int on = 1;
        // A kernel before 4.20 knows fewer of them: it explains less, and everything else is the same.
        static_cast<void>(mnl_socket_setsockopt(handle.get(), option, &on, sizeof(on)));
    }
    return Socket(std::move(handle));
}

Result<void> Socket::receive(std::string_view what, const Taker& take) {
    // The kernel shows keys to those who may change them.
    SecretBuffer buffer(kBufferSize);
    while (true) {
        const ssize_t received = mnl_socket_recvfrom(handle_.get(), buffer.data(), buffer.size());
        if (received < 0 && errno == EINTR) {
            continue;
        }
        if (received < 0) {
            return receive_failure(what);
        }
        Bytes rest = Bytes{buffer}.first(static_cast<std::size_t>(received));
        while (const nlmsghdr* message = next_message(rest)) {
            const auto progress = take(*message);
            if (!progress) {
                return std::unexpected(progress.error());
            }
            if (*progress == Progress::done) {
                return {};
            }
        }
    }
}

Result<void> Socket::dump(nlmsghdr& request, std::string_view what, const Visitor& visit) {
    request.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.nlmsg_seq = ++sequence_;
    if (mnl_socket_sendto(handle_.get(), &request, request.nlmsg_len) < 0) {
        return system_failure("netlink-send-failed", fmt::format("asking the kernel for {}", what));
    }
    Dump dump{.sequence = sequence_, .what = what, .visit = visit};
    return receive(what, [&dump](const nlmsghdr& message) { return dump.take(message); });
}

Result<void> Socket::dump(Request request, std::string_view what, const Visitor& visit) {
    return dump(request.header(), what, visit);
}

Result<std::vector<Answer>> Socket::transact(std::span<Request> requests, std::string_view what) {
    assert(requests.size() <= kBatch);
    if (requests.empty()) {
        return std::vector<Answer>{};
    }
    Answers answers{sequence_ + 1, requests.size()};
    std::vector<iovec> pieces;
    pieces.reserve(requests.size());
    for (Request& request : requests) {
        request.header().nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
        request.header().nlmsg_seq = ++sequence_;
        pieces.push_back({.iov_base = &request.header(), .iov_len = request.header().nlmsg_len});
    }
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    msghdr all{};
    all.msg_name = &kernel;
    all.msg_namelen = sizeof(kernel);
    all.msg_iov = pieces.data();
    all.msg_iovlen = pieces.size();
    if (::sendmsg(mnl_socket_get_fd(handle_.get()), &all, 0) < 0) {
        return system_failure("netlink-send-failed", fmt::format("asking the kernel for {}", what));
    }
    auto received = receive(what, [&](const nlmsghdr& message) -> Result<Progress> {
        if (auto taken = answers.take(message, what); !taken) {
            return pass_on(std::move(taken));
        }
        return answers.complete() ? Progress::done : Progress::more;
    });
    if (!received) {
        return pass_on(std::move(received));
    }
    return std::move(answers).release();
}

Result<void> Socket::batch(std::span<Request> requests, std::uint16_t subsystem, std::string_view what) {
    if (requests.empty()) {
        return {};
    }
    Request begin = boundary(NFNL_MSG_BATCH_BEGIN, subsystem);
    Request end = boundary(NFNL_MSG_BATCH_END, subsystem);
    SecretBuffer all;
    const auto append = [&](Request& request) {
        request.header().nlmsg_flags |= NLM_F_REQUEST;
        request.header().nlmsg_seq = ++sequence_;
        const Bytes bytes = request.view();
        all.insert(all.end(), bytes.begin(), bytes.end());
    };
    const std::uint32_t first = sequence_ + 1;
    // The acknowledgement of the last one stands behind all refusals.
    requests.back().header().nlmsg_flags |= NLM_F_ACK;
    append(begin);
    std::ranges::for_each(requests, append);
    const std::uint32_t last = sequence_;
    append(end);
    const int fd = mnl_socket_get_fd(handle_.get());
    // The kernel takes a message as a whole, and no larger one than its buffer. Where it is too small, send() says
    // so.
    const int room = static_cast<int>(all.size());
    static_cast<void>(setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)));
    if (mnl_socket_sendto(handle_.get(), all.data(), all.size()) < 0) {
        return system_failure("netlink-send-failed", fmt::format("asking the kernel for {}", what));
    }
    std::optional<Error> failure;
    auto received = receive(what, [&](const nlmsghdr& message) -> Result<Progress> {
        const auto ack = acknowledgement(message);
        if (!ack || message.nlmsg_seq - first > last - first) {
            return Progress::more;  // late, and of something else
        }
        if (ack->error != 0 && !failure) {
            failure = refusal(*ack, what);
        }
        // One that says that the whole was refused stands alone.
        return message.nlmsg_seq == last || message.nlmsg_seq == first ? Progress::done : Progress::more;
    });
    if (received && failure) {
        return std::unexpected(*std::move(failure));
    }
    return received;
}

}  // namespace keysluice::netlink
