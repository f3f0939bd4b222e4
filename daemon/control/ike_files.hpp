#pragma once

#include <map>
#include <string>

#include "daemon/control/configuration.hpp"

namespace keysluice::control {

/// Reads the pre-shared keys that the configuration names. One newline at a file's end is not part of the key. What
/// can't be read, is empty or longer than a key may be is reported; of a directory, each file's name is the identity
/// that its key belongs to, and hidden files are left out.
///
/// `warnings` gets what a person should mend all the same: a key that everybody on this machine can read.
[[nodiscard]] Diagnostics load_secrets(IkeConfiguration& ike, Diagnostics& warnings);

/// What host names meant when they were looked up last.
using KnownPeers = std::map<std::string, IpAddress>;
[[nodiscard]] KnownPeers known_peers(const IkeConfiguration& ike);

/// Looks up the peers that are given by host names, once. Blocks. A name that can't be found means what it meant
/// before, or is reported; where the connection has a gateway all the same, in `warnings`.
[[nodiscard]] Diagnostics look_up_peers(IkeConfiguration& ike, const KnownPeers& known, Diagnostics& warnings);

}  // namespace keysluice::control
