#pragma once

#include <vector>

#include "daemon/control/tls_sessions.hpp"

namespace keysluice::control {

/// What its process knows of it. Of those that the kernel carries, the rest is for ask_kernel().
[[nodiscard]] TlsSessionView view_of(const ListedSession& session, const TlsService& service);

/// Completes the sessions that the kernel carries: suite, who does the cryptography, and why not the network device.
/// Asks sock_diag, the routing and the devices: for a thread that may wait.
void ask_kernel(std::vector<TlsSessionView>& sessions);

}  // namespace keysluice::control
