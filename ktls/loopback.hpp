#pragma once

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace keysluice::ktls {

/// The two ends of one established TCP connection of this host with itself, both blocking and close-on-exec.
struct TcpPair {
    UniqueFd client;
    UniqueFd server;
};

/// Connects over 127.0.0.1, or over ::1 where there is no IPv4. Fails with "loopback-unavailable".
[[nodiscard]] Result<TcpPair> connect_loopback();

}  // namespace keysluice::ktls
