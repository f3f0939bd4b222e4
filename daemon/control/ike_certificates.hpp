#pragma once

#include <chrono>

#include "daemon/control/configuration.hpp"
#include "daemon/control/signers.hpp"

namespace keysluice::control {

/// Reads the certificates, authorities and revocation lists that the configuration names into its connections: may be
/// called again, for connections that nobody uses yet. Private keys are left alone. What can't be read, is expired,
/// too weak, not for signatures, or not made out to local_id is reported.
///
/// `warnings` gets what a person should mend all the same: a private key that everybody on this machine can read.
[[nodiscard]] Diagnostics load_certificates(IkeConfiguration& ike, std::chrono::system_clock::time_point now,
                                            Diagnostics& warnings);

/// Whether each private key can be read and belongs to its certificate: for processes that end or become another
/// program soon, since keysluiced itself holds no private keys. Comes after load_certificates().
[[nodiscard]] Diagnostics check_private_keys(const IkeConfiguration& ike);

/// What engines are to load for these connections, each key once.
[[nodiscard]] std::vector<Signers::Key> signing_keys(const IkeConfiguration& ike);

}  // namespace keysluice::control
