#pragma once

#include "daemon/control/configuration.hpp"
#include "daemon/control/section.hpp"

namespace keysluice::control {

/// The keys that say more of a TLS peer's certificate than who must have signed it: crl, peer_subjects, peer_names,
/// peer_keys. Call it when the mode, client_certificate and verify_peer are known.
void read_trust(Section& section, TlsService& service, ServiceSource& source);

}  // namespace keysluice::control
