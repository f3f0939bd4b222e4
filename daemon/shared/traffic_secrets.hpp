#pragma once

#include "base/secret.hpp"

namespace keysluice {

/// What a connection of TLS 1.3 needs beside its keys to change them (RFC 8446 7.2, application_traffic_secret_N): 32
/// or 48 bytes each, by its hash.
struct TrafficSecrets {
    Secret<48> receive;
    Secret<48> send;
};

}  // namespace keysluice
