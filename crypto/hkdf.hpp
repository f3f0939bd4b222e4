#pragma once

#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/hash.hpp"

namespace keysluice::crypto {

/// HKDF-Expand of RFC 5869 section 2.3: fills `out` (at most 255 hashes) from the pseudorandom key and `info`.
/// Fails with "key-derivation-failed".
Result<void> hkdf_expand(Hash hash, Bytes key, Bytes info, MutableBytes out);

/// HKDF-Expand-Label of RFC 8446 section 7.1. `label` goes without its "tls13 " prefix.
Result<void> hkdf_expand_label(Hash hash, Bytes secret, std::string_view label, Bytes context, MutableBytes out);

}  // namespace keysluice::crypto
