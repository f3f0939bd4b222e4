#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "daemon/control/tls_sessions.hpp"
#include "netlink/features.hpp"

namespace keysluice::control {

/// What its process knows of it. Of those that the kernel carries, the rest is for ask_kernel().
[[nodiscard]] TlsSessionView view_of(const ListedSession& session, const TlsService& service);

/// Why the kernel has not left a session to the network device, a reason code; `of_device` are its features for TLS.
[[nodiscard]] std::string_view why_in_software(std::span<const netlink::Feature> of_device);

/// Completes the sessions that the kernel carries: suite, who does the cryptography, and why not the network device.
/// Asks sock_diag, the routing and the devices: for a thread that may wait.
void ask_kernel(std::vector<TlsSessionView>& sessions);

}  // namespace keysluice::control
