#include "tls/types.hpp"

#include <utility>

namespace keysluice::tls {

std::string_view name_of(Version version) {
    switch (version) {
        case Version::tls12:
            return "TLS 1.2";
        case Version::tls13:
            return "TLS 1.3";
    }
    std::unreachable();
}

std::string_view name_of(Cipher cipher) {
    switch (cipher) {
        case Cipher::aes128_gcm:
            return "AES-128-GCM";
        case Cipher::aes256_gcm:
            return "AES-256-GCM";
        case Cipher::chacha20_poly1305:
            return "ChaCha20-Poly1305";
        case Cipher::aes128_ccm:
            return "AES-128-CCM";
        case Cipher::other:
            return "other";
    }
    std::unreachable();
}

}  // namespace keysluice::tls
