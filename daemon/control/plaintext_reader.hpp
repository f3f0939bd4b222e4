#pragma once

#include "daemon/control/configuration.hpp"
#include "daemon/control/section.hpp"

namespace keysluice::control {

/// The key plaintext: what becomes of clients that don't speak TLS. To be read behind whatever demands TLS: mode,
/// client_certificate, offload, deliver.
void read_plaintext(Section& section, TlsService& service);

}  // namespace keysluice::control
