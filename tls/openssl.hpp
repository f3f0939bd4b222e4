#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "crypto/openssl.hpp"

namespace keysluice::tls {

using crypto::BioPtr;
using crypto::CertificatePtr;
using crypto::Free;
using crypto::PrivateKeyPtr;

inline void free_certificates(STACK_OF(X509) * certificates) {
    sk_X509_pop_free(certificates, X509_free);
}

using ChainPtr = std::unique_ptr<STACK_OF(X509), Free<free_certificates>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Free<SSL_free>>;

}  // namespace keysluice::tls
