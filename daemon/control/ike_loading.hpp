#pragma once

#include <chrono>

#include "daemon/control/configuration.hpp"
#include "daemon/control/ike_files.hpp"

namespace keysluice::control {

/// What is done beside reading the files of IKE's connections.
struct IkeLoading {
    bool read_secrets = true;         ///< else the connections can be checked, and not be used
    bool check_private_keys = false;  ///< not in the process that serves IKE, which holds none
    bool look_up_peers = false;       ///< blocks
    KnownPeers known_peers = {};
};

/// Completes the connections with everything that they name: pre-shared keys, certificates, addresses of peers.
/// Returns what is wrong; `warnings` gets what a person should mend all the same.
[[nodiscard]] Diagnostics load_ike(IkeConfiguration& ike, const IkeLoading& loading,
                                   std::chrono::system_clock::time_point now, Diagnostics& warnings);

}  // namespace keysluice::control
