#include "netlink/messages.hpp"

#include <libmnl/libmnl.h>

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

Bytes payload_of(const nlmsghdr& message) {
    return {static_cast<const std::uint8_t*>(mnl_nlmsg_get_payload(&message)), mnl_nlmsg_get_payload_len(&message)};
}

}  // namespace keysluice::netlink
