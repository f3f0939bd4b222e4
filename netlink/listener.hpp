#pragma once

#include <linux/netlink.h>

#include <functional>
#include <span>

#include "base/result.hpp"
#include "base/secret_buffer.hpp"
#include "base/unique_fd.hpp"

namespace keysluice::netlink {

/// A socket that hears what the kernel tells everybody in some multicast groups. It never blocks: wait for fd() to
/// become readable.
class Listener {
   public:
    enum class Received {
        messages,
        nothing,  ///< for now
        /// The kernel dropped messages because the receive buffer was full, or one was larger than any should be.
        lost,
    };

    /// Needs CAP_NET_ADMIN for most protocols. `receive_buffer` in bytes, as the kernel counts: a message costs some
    /// hundred more than its own.
    [[nodiscard]] static Result<Listener> open(int protocol, std::span<const int> groups, int receive_buffer);

    /// One more group, and without it again. What has come meanwhile stays to be read.
    [[nodiscard]] Result<void> join(int protocol, int group);
    void leave(int group);

    [[nodiscard]] int fd() const { return socket_.get(); }
    /// Shows what one read brings to `visit`.
    [[nodiscard]] Result<Received> receive(const std::function<void(const nlmsghdr&)>& visit);

   private:
    explicit Listener(UniqueFd socket);

    UniqueFd socket_;
    SecretBuffer buffer_;
};

}  // namespace keysluice::netlink
