#pragma once

#include <libmnl/libmnl.h>

#include <optional>
#include <string_view>

#include "base/result.hpp"

namespace keysluice::netlink {

/// The kernel's answer to a request: an NLMSG_ERROR message, or the NLMSG_DONE that ends a dump.
struct Ack {
    /// A positive errno, 0 where the request was carried out.
    int error = 0;
    /// The kernel's own words (NLMSGERR_ATTR_MSG, "extack"), often empty. Points into the message.
    std::string_view text;

    bool operator==(const Ack&) const = default;
};

/// The acknowledgement in a message that the kernel sent; nothing where it is of another kind, or cut short.
///
/// Layout (include/uapi/linux/netlink.h, struct nlmsgerr): the error, the header of the request, with the request's
/// payload behind it unless NLM_F_CAPPED is set, then attributes where NLM_F_ACK_TLVS is set. NLMSG_DONE carries the
/// error and the attributes alone.
[[nodiscard]] std::optional<Ack> acknowledgement(const nlmsghdr& message);

/// The failure that an acknowledgement stands for. `what` names the request ("the dump of TCP sockets").
[[nodiscard]] Error refusal(const Ack& ack, std::string_view what);

}  // namespace keysluice::netlink
