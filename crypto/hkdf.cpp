#include "crypto/hkdf.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include <array>
#include <string>

#include "crypto/openssl.hpp"

namespace keysluice::crypto {

namespace {

/// Fetching costs more than a derivation: once per process.
EVP_KDF* hkdf() {
    static const KdfPtr fetched{EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_HKDF, nullptr)};
    return fetched.get();
}

}  // namespace

Result<void> hkdf_expand(Hash hash, Bytes key, Bytes info, MutableBytes out) {
    const KdfContextPtr context{EVP_KDF_CTX_new(hkdf())};
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    std::string digest = name_of(hash);
    const std::array parameters{
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), digest.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<std::uint8_t*>(key.data()), key.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, const_cast<std::uint8_t*>(info.data()), info.size()),
        OSSL_PARAM_construct_end(),
    };
    if (!context || EVP_KDF_derive(context.get(), out.data(), out.size(), parameters.data()) <= 0) {
        ERR_clear_error();
        return fail("key-derivation-failed", "OpenSSL's HKDF failed; is its default provider loaded?");
    }
    return {};
}

Result<void> hkdf_expand_label(Hash hash, Bytes secret, std::string_view label, Bytes context, MutableBytes out) {
    // RFC 8446 7.1: struct { uint16 length; opaque label<7..255> = "tls13 " + Label; opaque context<0..255>; }
    Writer info;
    info.be(static_cast<std::uint16_t>(out.size()));
    info.prefixed<std::uint8_t>(as_bytes(std::string("tls13 ").append(label)));
    info.prefixed<std::uint8_t>(context);
    return hkdf_expand(hash, secret, info.view(), out);
}

}  // namespace keysluice::crypto
