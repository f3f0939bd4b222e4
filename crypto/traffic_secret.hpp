#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/hash.hpp"

namespace keysluice::crypto {

/// The record keys of an application traffic secret of TLS 1.3 (RFC 8446 section 7.3): fills `key` and `iv`.
/// Fails with "key-derivation-failed".
Result<void> traffic_key(Hash hash, Bytes secret, MutableBytes key, MutableBytes iv);

/// The secret that follows this one when its sender changes its keys (RFC 8446 section 7.2): fills `next`, which has
/// its size. Fails with "key-derivation-failed".
Result<void> next_traffic_secret(Hash hash, Bytes secret, MutableBytes next);

}  // namespace keysluice::crypto
