#pragma once

#include <linux/netlink.h>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "tests/support/network_namespace.hpp"

namespace keysluice::test {

/// Speaks in the kernel's place to the first netlink socket that this process has opened in a namespace, as root may.
class NetlinkForger {
   public:
    NetlinkForger(const NetworkNamespace& there, int protocol);

    /// One datagram. False: the receiver has no room for it.
    [[nodiscard]] bool say(Bytes messages) const;
    /// Leaves no room, so that the kernel's own answers are lost.
    void fill_up() const;

   private:
    UniqueFd socket_;
};

/// The end of a dump or of a request that the kernel carried out.
struct ForgedEnd {
    nlmsghdr header;
    int error;
};
[[nodiscard]] Bytes bytes_of(const ForgedEnd& message);

}  // namespace keysluice::test
