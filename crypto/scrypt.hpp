#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace keysluice::crypto {

/// scrypt (RFC 7914) with r = 8 and p = 1, which makes a guess at a weak secret cost time and memory: 2^log2_n KiB of
/// it. 14 takes some 50 ms and 16 MiB, 17 some 400 ms and 128 MiB. `log2_n` is 1 to kMostScryptLog2N.
///
/// Fails with "key-derivation-failed".
[[nodiscard]] Result<void> scrypt(Bytes secret, Bytes salt, unsigned int log2_n, MutableBytes out);

inline constexpr unsigned int kMostScryptLog2N = 20;

}  // namespace keysluice::crypto
