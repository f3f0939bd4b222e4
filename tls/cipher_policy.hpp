#pragma once

#include "base/result.hpp"
#include "crypto/hash.hpp"
#include "tls/context.hpp"
#include "tls/openssl.hpp"
#include "tls/types.hpp"

namespace keysluice::tls {

/// Tells OpenSSL which cipher suites to offer and accept. Fails with "cipher-unknown" or "cipher-not-allowed".
Result<void> apply_ciphers(SSL_CTX* context, const Protocol& protocol);

/// What a negotiated suite protects records with.
[[nodiscard]] Cipher cipher_of(const SSL_CIPHER& suite);

/// The hash that a suite derives its keys with.
[[nodiscard]] crypto::Hash hash_of(const SSL_CIPHER& suite);

}  // namespace keysluice::tls
