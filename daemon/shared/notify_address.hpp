#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <optional>
#include <string_view>

namespace keysluice {

/// Where a service manager listens: the address of $NOTIFY_SOCKET, for sendto() and sendmsg().
struct NotifyAddress {
    sockaddr_un raw{};
    socklen_t length = 0;

    /// `name`: a path, or a name in the abstract namespace behind an '@'. None where it is empty or too long.
    [[nodiscard]] static std::optional<NotifyAddress> parse(std::string_view name);
};

}  // namespace keysluice
