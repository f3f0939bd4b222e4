#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/hash.hpp"
#include "tls/types.hpp"

namespace keysluice::tls {

enum class Role { server, client };

/// From the application traffic secrets of both sides to record keys (RFC 8446 section 7.3), numbered from 0.
Result<SessionKeys> tls13_keys(Role role, Cipher cipher, crypto::Hash hash, Bytes client_secret, Bytes server_secret);

struct Tls12Secrets {
    Bytes master;  ///< 48 bytes
    Bytes client_random;
    Bytes server_random;
};

/// From the master secret to record keys (RFC 5246 section 6.3), numbered from 1: the Finished messages were 0.
/// `finished_nonce`: the explicit nonce that our own Finished went out with, for GCM and CCM.
Result<SessionKeys> tls12_keys(Role role, Cipher cipher, crypto::Hash hash, const Tls12Secrets& secrets,
                               std::uint64_t finished_nonce);

}  // namespace keysluice::tls
