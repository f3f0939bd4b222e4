#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "ktls/socket_info.hpp"

namespace keysluice::ktls {

/// Which TCP sockets to list: those with one of the local ports or one of the remote ports; with neither, all.
struct PortFilter {
    std::vector<std::uint16_t> local;
    std::vector<std::uint16_t> remote;

    [[nodiscard]] bool matches(const SocketInfo& socket) const;
};

/// The TCP sockets (IPv4 and IPv6, of every state but LISTEN and TIME_WAIT) in this network namespace that match, by
/// one NETLINK_SOCK_DIAG dump for each family. Reasons of failure: those of netlink::Socket, "inet-diag-malformed".
[[nodiscard]] Result<std::vector<SocketInfo>> list_sockets(const PortFilter& filter);

/// One TCP socket: the two ends of its connection, and its SO_COOKIE.
struct SocketName {
    Endpoint local;
    Endpoint remote;
    std::uint64_t cookie = 0;
};

/// Looks the sockets up one by one, which costs the same however many others there are. In the order of the names;
/// nothing where there is no such socket (any more). Fails as list_sockets() does.
[[nodiscard]] Result<std::vector<std::optional<SocketInfo>>> find_sockets(std::span<const SocketName> names);

}  // namespace keysluice::ktls
