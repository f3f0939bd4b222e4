#include "crypto/legacy.hpp"

#include <fmt/format.h>

#include <array>
#include <cassert>

namespace keysluice::crypto {
namespace {

constexpr std::size_t kDesKey = 7;
constexpr std::size_t kDesBlock = 8;

std::unexpected<Error> unavailable() {
    return fail("legacy-provider",
                fmt::format("OpenSSL can't load its module legacy, which has MD4 and DES for EAP-MSCHAPv2: {}; "
                            "install openssl-provider-legacy where that is a package of its own",
                            take_openssl_error()));
}

/// RFC 2759 section 8.6: "DES only uses 56 bits […] the parity bits are ignored", one behind each seven.
Secret<kDesBlock> with_parity_bits(Bytes key) {
    assert(key.size() == kDesKey);
    Secret<kDesBlock> spread;
    const MutableBytes out = spread.writable(kDesBlock);
    for (std::size_t i = 0; i < kDesBlock; ++i) {
        const unsigned before = i == 0 ? 0U : key[i - 1];
        const unsigned own = i < kDesKey ? key[i] : 0U;
        out[i] = static_cast<std::uint8_t>(((before << 8U | own) >> i) & 0xFEU);
    }
    return spread;
}

}  // namespace

Result<void> LegacyAlgorithms::load() {
    if (md4_ && des_) {
        return {};
    }
    if (!library_) {
        library_.reset(OSSL_LIB_CTX_new());
    }
    if (library_ && !provider_) {
        provider_.reset(OSSL_PROVIDER_load(library_.get(), "legacy"));
    }
    if (!provider_) {
        return unavailable();
    }
    md4_.reset(EVP_MD_fetch(library_.get(), "MD4", nullptr));
    des_.reset(EVP_CIPHER_fetch(library_.get(), "DES-ECB", nullptr));
    return md4_ && des_ ? Result<void>() : unavailable();
}

Result<Secret<16>> LegacyAlgorithms::md4(Bytes bytes) {
    if (auto loaded = load(); !loaded) {
        return pass_on(std::move(loaded));
    }
    Secret<16> out;
    unsigned int size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), out.writable(16).data(), &size, md4_.get(), nullptr) != 1) {
        return unavailable();
    }
    return out;
}

Result<void> LegacyAlgorithms::des(Bytes key, Bytes block, MutableBytes out) {
    assert(block.size() == kDesBlock && out.size() == kDesBlock);
    if (auto loaded = load(); !loaded) {
        return loaded;
    }
    const Secret<kDesBlock> spread = with_parity_bits(key);
    const CipherContextPtr context(EVP_CIPHER_CTX_new());
    int size = 0;
    if (!context || EVP_EncryptInit_ex(context.get(), des_.get(), nullptr, spread.expose().data(), nullptr) != 1 ||
        EVP_CIPHER_CTX_set_padding(context.get(), 0) != 1 ||
        EVP_EncryptUpdate(context.get(), out.data(), &size, block.data(), static_cast<int>(block.size())) != 1) {
        return unavailable();
    }
    return {};
}

}  // namespace keysluice::crypto
