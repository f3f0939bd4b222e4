#pragma once

#include <libmnl/libmnl.h>

#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "netlink/answers.hpp"
#include "netlink/request.hpp"

namespace keysluice::netlink {

/// One netlink socket of one protocol (NETLINK_SOCK_DIAG, …), for one thread.
///
/// The kernel is asked to explain its refusals (NETLINK_EXT_ACK) and to check requests strictly
/// (NETLINK_GET_STRICT_CHK); its words stand in the error's sentence.
class Socket {
   public:
    /// Sees one message of a dump and returns a failure to see no more of it.
    using Visitor = std::function<Result<void>(const nlmsghdr&)>;

    [[nodiscard]] static Result<Socket> open(int protocol);

    /// Sends the request as a dump (its flags and sequence number are set here) and shows every answer to `visit`.
    ///
    /// Blocks, but bounded: the kernel works on a dump inside the calls, so a silence of two seconds is a failure,
    /// and so is an answer of more than 4 million messages. A dump that the kernel marks as interrupted by a change
    /// fails with "netlink-dump-interrupted" at its end, when the visitor has seen it all: decide whether to repeat.
    /// `what` names the request in the sentence of a failure.
    [[nodiscard]] Result<void> dump(nlmsghdr& request, std::string_view what, const Visitor& visit);
    [[nodiscard]] Result<void> dump(Request request, std::string_view what, const Visitor& visit);

    /// How many requests go to the kernel at once: its answers must fit into the socket's receive buffer, and it
    /// holds a lock over all of them.
    static constexpr std::size_t kBatch = 100;

    /// Sends at most kBatch requests in one call and returns the answer to each, in their order. The kernel goes on
    /// after a request that it refused: look at every answer.
    ///
    /// Blocks while the kernel works, which may include the loading of modules; its answers are there when it is
    /// done, so a silence of two seconds is a failure. After a failure nobody knows which requests were carried out,
    /// unless its reason is "netlink-send-failed": then none was.
    [[nodiscard]] Result<std::vector<Answer>> transact(std::span<Request> requests, std::string_view what);

    /// Sends any number of requests to nfnetlink in one call, as one transaction: the kernel carries out all or none.
    /// Flags beside NLM_F_REQUEST and NLM_F_ACK are the requests' own. The failure is that of the first request that
    /// the kernel did not like; "netlink-not-permitted" and "netlink-busy" are among its reasons.
    [[nodiscard]] Result<void> batch(std::span<Request> requests, std::uint16_t subsystem, std::string_view what);

   private:
    enum class Progress { more, done };
    using Taker = std::function<Result<Progress>(const nlmsghdr&)>;
    struct Dump;

    struct Close {
        void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
    };
    using Handle = std::unique_ptr<mnl_socket, Close>;

    explicit Socket(Handle handle) : handle_(std::move(handle)) {}

    [[nodiscard]] Result<void> receive(std::string_view what, const Taker& take);

    Handle handle_;
    unsigned int sequence_ = 0;
};

}  // namespace keysluice::netlink
