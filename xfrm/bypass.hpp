#pragma once

#include "base/address.hpp"
#include "base/result.hpp"

namespace keysluice::xfrm {

/// Lets what this socket sends and receives pass by all policies of the SPD, in the clear: for the sockets of IKE,
/// whose packets would otherwise wait for the SAs that they negotiate. `family` is the socket's own; IPv4 on an IPv6
/// socket is not covered, so set IPV6_V6ONLY. Needs CAP_NET_ADMIN. Fails with "socket-bypass-refused".
[[nodiscard]] Result<void> bypass_policies(int socket, Family family);

/// Makes a UDP socket hand ESP packets (RFC 3948) to the kernel's SAs; IKE's messages, which start with four bytes of
/// zero on such a port, still come to the program. The socket must stay open as long as SAs use its port.
/// Fails with "udp-encapsulation-refused".
[[nodiscard]] Result<void> accept_encapsulated_esp(int socket);

}  // namespace keysluice::xfrm
