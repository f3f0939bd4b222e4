#pragma once

#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/hash.hpp"

namespace keysluice::crypto {

/// PRF(secret, label, seed) of RFC 5246 section 5: fills `out`. Fails with "key-derivation-failed".
Result<void> tls12_prf(Hash hash, Bytes secret, std::string_view label, Bytes seed, MutableBytes out);

}  // namespace keysluice::crypto
