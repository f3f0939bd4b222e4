#include "tls/cipher_policy.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <ranges>
#include <string>
#include <string_view>
#include <vector>

namespace keysluice::tls {

namespace {

// AES-128 first: as good as 256 for a session and cheaper. CCM last: half as fast as GCM, for peers that know no
// other.
constexpr const char* kTls12Ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-CCM";
constexpr const char* kTls13Ciphersuites =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256";

const SSL_CIPHER* find_suite(SSL_CTX* context, std::string_view name) {
    STACK_OF(SSL_CIPHER)* suites = SSL_CTX_get_ciphers(context);
    for (int index = 0; index < sk_SSL_CIPHER_num(suites); ++index) {
        const SSL_CIPHER* suite = sk_SSL_CIPHER_value(suites, index);
        if (name == SSL_CIPHER_get_name(suite)) {
            return suite;
        }
    }
    return nullptr;
}

bool is_sound(const SSL_CIPHER& suite) {
    const int exchange = SSL_CIPHER_get_kx_nid(&suite);
    const int authentication = SSL_CIPHER_get_auth_nid(&suite);
    const bool tls13 = exchange == NID_kx_any;
    return SSL_CIPHER_is_aead(&suite) == 1 &&
           (tls13 ||
            (exchange == NID_kx_ecdhe && (authentication == NID_auth_rsa || authentication == NID_auth_ecdsa)));
}

/// OpenSSL silently passes over names that it does not know, and expands expressions: here each name must be there.
Result<void> check_names(SSL_CTX* context, const std::string& names) {
    for (const auto part : std::views::split(names, ':')) {
        const std::string_view name{part.begin(), part.end()};
        const SSL_CIPHER* suite = find_suite(context, name);
        if (suite == nullptr) {
            return fail("cipher-unknown",
                        fmt::format("\"{}\" is not the name of a cipher suite that this OpenSSL has", name));
        }
        if (!is_sound(*suite)) {
            return fail(
                "cipher-not-allowed",
                fmt::format("the cipher suite {} is not allowed: ECDHE with an AEAD cipher is expected", name));
        }
    }
    return {};
}

}  // namespace

Result<void> apply_ciphers(SSL_CTX* context, const Protocol& protocol) {
    const std::string tls12 = protocol.tls12_ciphers.empty() ? kTls12Ciphers : protocol.tls12_ciphers;
    const std::string tls13 = protocol.tls13_ciphersuites.empty() ? kTls13Ciphersuites : protocol.tls13_ciphersuites;
    // Both may fail or not for an unknown name, by OpenSSL's version; the check by name knows which.
    SSL_CTX_set_ciphersuites(context, tls13.c_str());
    SSL_CTX_set_cipher_list(context, tls12.c_str());
    ERR_clear_error();
    if (auto known = check_names(context, tls13); !known) {
        return known;
    }
    return check_names(context, tls12);
}

Cipher cipher_of(const SSL_CIPHER& suite) {
    switch (SSL_CIPHER_get_protocol_id(&suite)) {
        case 0x1301:  // TLS_AES_128_GCM_SHA256
        case 0xc02b:  // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        case 0xc02f:  // TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
            return Cipher::aes128_gcm;
        case 0x1302:  // TLS_AES_256_GCM_SHA384
        case 0xc02c:  // TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        case 0xc030:  // TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
            return Cipher::aes256_gcm;
        case 0x1303:  // TLS_CHACHA20_POLY1305_SHA256
        case 0xcca8:  // TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        case 0xcca9:  // TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
            return Cipher::chacha20_poly1305;
        case 0x1304:  // TLS_AES_128_CCM_SHA256
        case 0xc0ac:  // TLS_ECDHE_ECDSA_WITH_AES_128_CCM
            return Cipher::aes128_ccm;
        default:  // such as AES-256-CCM, which the kernel does not know
            return Cipher::other;
    }
}

crypto::Hash hash_of(const SSL_CIPHER& suite) {
    return EVP_MD_get_type(SSL_CIPHER_get_handshake_digest(&suite)) == NID_sha384 ? crypto::Hash::sha384
                                                                                  : crypto::Hash::sha256;
}

}  // namespace keysluice::tls
