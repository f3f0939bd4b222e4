#include "netlink/messages.hpp"

#include "netlink/attribute.hpp"

namespace keysluice::netlink {

const nlmsghdr* next_message(Bytes& rest) {
    if (rest.size() < sizeof(nlmsghdr)) {
        return nullptr;
    }
    const auto* message = reinterpret_cast<const nlmsghdr*>(rest.data());
    if (message->nlmsg_len < sizeof(nlmsghdr) || message->nlmsg_len > rest.size()) {
        return nullptr;
    }
    rest = behind(rest, message->nlmsg_len);
    return message;
}

}  // namespace keysluice::netlink
