#pragma once

#include "daemon/control/section.hpp"
#include "daemon/shared/service.hpp"

namespace keysluice::control {

/// Reads the versions, cipher suites and groups of a [[tls.service]] and asks the OpenSSL of this machine, which is
/// the engines' too, whether it can have them.
void read_cryptography(Section& section, TlsService& service);

}  // namespace keysluice::control
