#pragma once

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>

#include "crypto/openssl.hpp"

namespace keysluice::tls {

using crypto::Free;

using BioPtr = std::unique_ptr<BIO, Free<BIO_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Free<SSL_free>>;
using CertificatePtr = std::unique_ptr<X509, Free<X509_free>>;
using PrivateKeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

}  // namespace keysluice::tls
