#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "crypto/openssl.hpp"

namespace keysluice::tls {

using crypto::BioPtr;
using crypto::CertificatePtr;
using crypto::Free;
using crypto::PrivateKeyPtr;

using SslContextPtr = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Free<SSL_free>>;

}  // namespace keysluice::tls
