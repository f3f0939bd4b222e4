#include "tls/cipher_policy.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace keysluice::tls {

namespace {

// AES-128 first: as good as 256 for a session and cheaper. CCM last: half as fast as GCM, for peers that know no
// other.
constexpr std::array kTls12Ciphers{
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",   "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",   "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-CCM",
};
constexpr std::array kTls13Ciphersuites{
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_CCM_SHA256",
};

bool is_of(const SSL_CIPHER& suite, Version version) {
    return (SSL_CIPHER_get_kx_nid(&suite) == NID_kx_any) == (version == Version::tls13);
}

std::string_view key_for(Version version) {
    return version == Version::tls13 ? "ciphersuites" : "ciphers";
}

/// What speaks against a suite, or nothing.
std::optional<std::string_view> objection(const SSL_CIPHER& suite) {
    const int exchange = SSL_CIPHER_get_kx_nid(&suite);
    const int authentication = SSL_CIPHER_get_auth_nid(&suite);
    if (SSL_CIPHER_is_aead(&suite) != 1) {
        return "it does not protect records with an AEAD cipher";
    }
    if (const std::string_view name = SSL_CIPHER_get_name(&suite); name.contains("CCM8") || name.contains("CCM_8")) {
        return "it cuts the codes that protect records down to 8 bytes";
    }
    if (exchange == NID_kx_any) {
        return std::nullopt;
    }
    if (exchange != NID_kx_ecdhe) {
        return "its keys do not come from ECDHE";
    }
    if (authentication != NID_auth_rsa && authentication != NID_auth_ecdsa) {
        return "no certificate proves who the server is";
    }
    return std::nullopt;
}

/// Every suite that this OpenSSL has, sound or not.
class AllSuites {
   public:
    AllSuites() : context_(SSL_CTX_new(TLS_method())) {
        if (!context_) {
            throw std::bad_alloc();
        }
        SSL_CTX_set_cipher_list(context_.get(), "ALL:COMPLEMENTOFALL");
        SSL_CTX_set_ciphersuites(context_.get(),
                                 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
                                 "TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256");
        ERR_clear_error();
    }

    /// By its whole name: OpenSSL itself would pass over an unknown one silently, and expand expressions.
    [[nodiscard]] const SSL_CIPHER* find(std::string_view name) const {
        const auto suites = all();
        const auto found = std::ranges::find(suites, name, SSL_CIPHER_get_name);
        return found == suites.end() ? nullptr : *found;
    }

    [[nodiscard]] std::string allowed_names(Version version) const {
        std::string names;
        for (const SSL_CIPHER* suite : all()) {
            if (is_of(*suite, version) && !objection(*suite)) {
                names += fmt::format("{}{}", names.empty() ? "" : ", ", SSL_CIPHER_get_name(suite));
            }
        }
        return names;
    }

   private:
    [[nodiscard]] std::vector<const SSL_CIPHER*> all() const {
        STACK_OF(SSL_CIPHER)* suites = SSL_CTX_get_ciphers(context_.get());
        std::vector<const SSL_CIPHER*> found(static_cast<std::size_t>(std::max(sk_SSL_CIPHER_num(suites), 0)));
        for (int index = 0; const SSL_CIPHER*& each : found) {
            each = sk_SSL_CIPHER_value(suites, index++);
        }
        return found;
    }

    SslContextPtr context_;
};

Result<void> check(const AllSuites& suites, Version version, std::string_view name) {
    const SSL_CIPHER* suite = suites.find(name);
    if (suite == nullptr) {
        return fail("cipher-unknown",
                    fmt::format("\"{}\" is not the name of a cipher suite that this machine's OpenSSL "
                                "{} has; allowed here: {}",
                                name, OpenSSL_version(OPENSSL_VERSION_STRING), suites.allowed_names(version)));
    }
    if (!is_of(*suite, version)) {
        const Version other = version == Version::tls13 ? Version::tls12 : Version::tls13;
        return fail("cipher-not-allowed", fmt::format("{} is a cipher suite of {}, which has its place in {}", name,
                                                      name_of(other), key_for(other)));
    }
    if (const auto against = objection(*suite)) {
        return fail(
            "cipher-not-allowed",
            fmt::format("the cipher suite {} is not allowed, since {}: ECDHE with an AEAD cipher is expected; "
                        "allowed here: {}",
                        name, *against, suites.allowed_names(version)));
    }
    return {};
}

/// The configured names, or else our own, as OpenSSL reads them.
Result<std::string> list_of(Version version, const std::vector<std::string>& names,
                            std::span<const char* const> otherwise) {
    if (names.empty()) {
        return fmt::format("{}", fmt::join(otherwise, ":"));
    }
    const AllSuites suites;
    for (const std::string& name : names) {
        if (auto checked = check(suites, version, name); !checked) {
            return pass_on(std::move(checked));
        }
    }
    return fmt::format("{}", fmt::join(names, ":"));
}

}  // namespace

Result<void> check_cipher(Version version, std::string_view name) {
    return check(AllSuites(), version, name);
}

Result<void> apply_ciphers(SSL_CTX* context, const Protocol& protocol) {
    const auto tls12 = list_of(Version::tls12, protocol.tls12_ciphers, kTls12Ciphers);
    if (!tls12) {
        return std::unexpected(tls12.error());
    }
    const auto tls13 = list_of(Version::tls13, protocol.tls13_ciphersuites, kTls13Ciphersuites);
    if (!tls13) {
        return std::unexpected(tls13.error());
    }
    if (SSL_CTX_set_cipher_list(context, tls12->c_str()) != 1 ||
        SSL_CTX_set_ciphersuites(context, tls13->c_str()) != 1) {
        return fail("cipher-unknown", fmt::format("OpenSSL does not take the cipher suites {}, {}: {}", *tls12,
                                                  *tls13, crypto::take_openssl_error()));
    }
    return {};
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
