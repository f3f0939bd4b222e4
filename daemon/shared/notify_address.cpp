#include "daemon/shared/notify_address.hpp"

#include <cstddef>
#include <cstring>

namespace keysluice {

std::optional<NotifyAddress> NotifyAddress::parse(std::string_view name) {
    NotifyAddress address;
    if (name.empty() || name.size() >= sizeof(address.raw.sun_path)) {
        return std::nullopt;
    }
    address.raw.sun_family = AF_UNIX;
    std::memcpy(&address.raw.sun_path, name.data(), name.size());
    if (name.front() == '@') {
        address.raw.sun_path[0] = '\0';
    }
    // Without a terminator: a name in the abstract namespace has the length that is given.
    address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    return address;
}

}  // namespace keysluice
