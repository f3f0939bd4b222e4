#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/x509.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace keysluice::crypto {

/// Calls an OpenSSL `…_free` function: `std::unique_ptr<X509, Free<X509_free>>`.
template <auto Function>
struct Free {
    template <typename T>
    void operator()(T* object) const {
        Function(object);
    }
};

using CipherPtr = std::unique_ptr<EVP_CIPHER, Free<EVP_CIPHER_free>>;
using CipherContextPtr = std::unique_ptr<EVP_CIPHER_CTX, Free<EVP_CIPHER_CTX_free>>;
using MacPtr = std::unique_ptr<EVP_MAC, Free<EVP_MAC_free>>;
using MacContextPtr = std::unique_ptr<EVP_MAC_CTX, Free<EVP_MAC_CTX_free>>;
using KdfPtr = std::unique_ptr<EVP_KDF, Free<EVP_KDF_free>>;
using KdfContextPtr = std::unique_ptr<EVP_KDF_CTX, Free<EVP_KDF_CTX_free>>;
using BioPtr = std::unique_ptr<BIO, Free<BIO_free>>;
using CertificatePtr = std::unique_ptr<X509, Free<X509_free>>;
using RevocationListPtr = std::unique_ptr<X509_CRL, Free<X509_CRL_free>>;
using PrivateKeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

/// OpenSSL's newest error as a person may read it; empty when there is none. The queue is empty afterwards.
[[nodiscard]] std::string take_openssl_error();

/// Nothing where it is null or unreadable.
[[nodiscard]] std::optional<std::chrono::sys_seconds> moment_of(const ASN1_TIME* time);

}  // namespace keysluice::crypto
