#pragma once

#include <linux/netlink.h>

#include "base/bytes.hpp"

namespace keysluice::netlink {

/// Takes the next message off what one read has brought; its first byte is aligned as nlmsghdr is. Null at the end,
/// and where a length lies: then bytes are left. (libmnl's mnl_nlmsg_ok() takes lengths above 2 GiB for negative
/// ones, which fit everywhere.)
[[nodiscard]] const nlmsghdr* next_message(Bytes& rest);

/// What follows its header, of a message that next_message() has found whole.
[[nodiscard]] Bytes payload_of(const nlmsghdr& message);

}  // namespace keysluice::netlink
