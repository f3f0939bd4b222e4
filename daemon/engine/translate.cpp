#include "daemon/engine/translate.hpp"

#include <fmt/format.h>

namespace keysluice {

namespace {

ktls::KeyMaterial material(const tls::DirectionKeys& keys) {
    return {.key = keys.key.expose(),
            .iv = keys.iv.expose(),
            .explicit_nonce = keys.explicit_nonce,
            .sequence = keys.sequence};
}

}  // namespace

std::optional<ktls::Cipher> to_kernel(tls::Cipher cipher) {
    switch (cipher) {
        case tls::Cipher::aes128_gcm:
            return ktls::Cipher::aes128_gcm;
        case tls::Cipher::aes256_gcm:
            return ktls::Cipher::aes256_gcm;
        case tls::Cipher::chacha20_poly1305:
            return ktls::Cipher::chacha20_poly1305;
        case tls::Cipher::aes128_ccm:
            return ktls::Cipher::aes128_ccm;
        case tls::Cipher::other:
            return std::nullopt;
    }
    return std::nullopt;
}

ktls::Version to_kernel(tls::Version version) {
    switch (version) {
        case tls::Version::tls12:
            return ktls::Version::tls12;
        case tls::Version::tls13:
            return ktls::Version::tls13;
    }
    return ktls::Version::tls13;
}

Result<KernelKeys> to_kernel(const tls::SessionKeys& keys) {
    const auto cipher = to_kernel(keys.cipher);
    if (!cipher) {
        return fail("cipher-not-in-kernel", "the kernel's record layer does not know the cipher that was negotiated");
    }
    const ktls::Version version = to_kernel(keys.version);
    auto tx = ktls::Keys<ktls::Tx>::make(version, *cipher, material(keys.write));
    if (!tx) {
        return pass_on(std::move(tx));
    }
    auto rx = ktls::Keys<ktls::Rx>::make(version, *cipher, material(keys.read));
    if (!rx) {
        return pass_on(std::move(rx));
    }
    return KernelKeys{std::move(*tx), std::move(*rx)};
}

}  // namespace keysluice
