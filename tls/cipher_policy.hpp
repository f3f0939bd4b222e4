#pragma once

#include <string_view>

#include "base/result.hpp"
#include "crypto/hash.hpp"
#include "tls/context.hpp"
#include "tls/openssl.hpp"
#include "tls/types.hpp"

namespace keysluice::tls {

/// Whether `name` is what OpenSSL calls one cipher suite of that version which is sound: ECDHE with an AEAD cipher
/// whose codes are whole. An expression such as "HIGH" is no name. Fails with "cipher-unknown" or
/// "cipher-not-allowed".
Result<void> check_cipher(Version version, std::string_view name);

/// Tells OpenSSL which cipher suites to offer and accept. Fails as check_cipher() does.
Result<void> apply_ciphers(SSL_CTX* context, const Protocol& protocol);

/// What a negotiated suite protects records with.
[[nodiscard]] Cipher cipher_of(const SSL_CIPHER& suite);

/// The hash that a suite derives its keys with.
[[nodiscard]] crypto::Hash hash_of(const SSL_CIPHER& suite);

}  // namespace keysluice::tls
