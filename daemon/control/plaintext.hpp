#pragma once

#include <set>

#include "base/address.hpp"
#include "daemon/control/configuration.hpp"

namespace keysluice::control {

/// Of this host's interfaces, at this moment. Empty where the kernel does not say.
[[nodiscard]] std::set<IpAddress> own_addresses();

[[nodiscard]] bool is_loopback(const IpAddress& address);

/// Where a service's plaintext comes from or goes to, unless the service allows it: a loopback address, a unix socket
/// or one of `own`. What is not is reported as "plaintext-remote". Host names are looked up; that one has no address
/// is resolve_hosts()' to report.
[[nodiscard]] Diagnostics check_plaintext(Configuration configuration, const std::set<IpAddress>& own);

}  // namespace keysluice::control
