#pragma once

#include <array>
#include <string_view>

#include "tests/support/tls_pair.hpp"

namespace keysluice::testing {

/// One combination that must work, and how to force it.
struct Suite {
    tls::Version version;
    tls::Cipher cipher;
    std::string_view openssl_name;
    std::string_view standard_name;
};

inline constexpr std::array kSuites{
    Suite{tls::Version::tls13, tls::Cipher::aes128_gcm, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"},
    Suite{tls::Version::tls13, tls::Cipher::aes256_gcm, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"},
    Suite{tls::Version::tls13, tls::Cipher::chacha20_poly1305, "TLS_CHACHA20_POLY1305_SHA256",
          "TLS_CHACHA20_POLY1305_SHA256"},
    Suite{tls::Version::tls13, tls::Cipher::aes128_ccm, "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_SHA256"},
    Suite{tls::Version::tls12, tls::Cipher::aes128_gcm, "ECDHE-ECDSA-AES128-GCM-SHA256",
          "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
    Suite{tls::Version::tls12, tls::Cipher::aes256_gcm, "ECDHE-ECDSA-AES256-GCM-SHA384",
          "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
    Suite{tls::Version::tls12, tls::Cipher::chacha20_poly1305, "ECDHE-ECDSA-CHACHA20-POLY1305",
          "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
    Suite{tls::Version::tls12, tls::Cipher::aes128_ccm, "ECDHE-ECDSA-AES128-CCM", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"},
};

/// A client that can do nothing but this suite.
inline tls::ClientSettings only(const Suite& suite) {
    tls::ClientSettings settings = client_settings();
    settings.protocol.min_version = suite.version;
    settings.protocol.max_version = suite.version;
    auto& protocol = settings.protocol;
    auto& names = suite.version == tls::Version::tls13 ? protocol.tls13_ciphersuites : protocol.tls12_ciphers;
    names.emplace_back(suite.openssl_name);
    return settings;
}

}  // namespace keysluice::testing
