#pragma once

#include <string_view>

#include "crypto/digest.hpp"

namespace keysluice::crypto {

/// The name of a private key that somebody gave for one purpose, which `reference` tells. `key` is the one that its
/// public half has (key_id()): by that anybody who has the certificate, which is public, would get signatures of a
/// key that another one gave, or that stands in a file of the machine's.
[[nodiscard]] Sha256 given_key_name(const Sha256& key, std::string_view reference);

}  // namespace keysluice::crypto
