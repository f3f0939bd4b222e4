#include "crypto/tls12_prf.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include <array>
#include <string>

#include "crypto/openssl.hpp"

namespace keysluice::crypto {

namespace {

EVP_KDF* tls1_prf() {
    static const KdfPtr fetched{EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_TLS1_PRF, nullptr)};
    return fetched.get();
}

}  // namespace

Result<void> tls12_prf(Hash hash, Bytes secret, std::string_view label, Bytes seed, MutableBytes out) {
    const KdfContextPtr context{EVP_KDF_CTX_new(tls1_prf())};
    std::string digest = name_of(hash);
    std::string labelled_seed{label};
    labelled_seed.append(as_text(seed));
    const std::array parameters{
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), digest.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, const_cast<std::uint8_t*>(secret.data()),
                                          secret.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, labelled_seed.data(), labelled_seed.size()),
        OSSL_PARAM_construct_end(),
    };
    if (!context || EVP_KDF_derive(context.get(), out.data(), out.size(), parameters.data()) <= 0) {
        ERR_clear_error();
        return fail("key-derivation-failed", "OpenSSL's TLS 1.2 PRF failed; is its default provider loaded?");
    }
    return {};
}

}  // namespace keysluice::crypto
