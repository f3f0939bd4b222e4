#include "crypto/signature.hpp"

#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>

#include <utility>

namespace keysluice::crypto {
namespace {

using DigestContextPtr = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;
using EcdsaSignaturePtr = std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, Free<BN_free>>;

enum class Family { rsa, ecdsa, ed25519, ed448 };

struct Shape {
    Family family;
    const char* hash;  ///< null: the scheme has its own
    bool pss = false;
};

Shape shape_of(SignatureScheme scheme) {
    switch (scheme) {
        case SignatureScheme::rsa_sha1:
            return {Family::rsa, "SHA1"};
        case SignatureScheme::rsa_sha256:
            return {Family::rsa, "SHA256"};
        case SignatureScheme::rsa_sha384:
            return {Family::rsa, "SHA384"};
        case SignatureScheme::rsa_sha512:
            return {Family::rsa, "SHA512"};
        case SignatureScheme::rsa_pss_sha256:
            return {Family::rsa, "SHA256", true};
        case SignatureScheme::rsa_pss_sha384:
            return {Family::rsa, "SHA384", true};
        case SignatureScheme::rsa_pss_sha512:
            return {Family::rsa, "SHA512", true};
        case SignatureScheme::ecdsa_sha256:
            return {Family::ecdsa, "SHA256"};
        case SignatureScheme::ecdsa_sha384:
            return {Family::ecdsa, "SHA384"};
        case SignatureScheme::ecdsa_sha512:
            return {Family::ecdsa, "SHA512"};
        case SignatureScheme::ed25519:
            return {Family::ed25519, nullptr};
        case SignatureScheme::ed448:
            return {Family::ed448, nullptr};
    }
    std::unreachable();
}

Family family_of(KeyKind kind) {
    switch (kind) {
        case KeyKind::rsa:
            return Family::rsa;
        case KeyKind::ecdsa_p256:
        case KeyKind::ecdsa_p384:
        case KeyKind::ecdsa_p521:
            return Family::ecdsa;
        case KeyKind::ed25519:
            return Family::ed25519;
        case KeyKind::ed448:
            return Family::ed448;
    }
    std::unreachable();
}

std::optional<KeyKind> kind_of_curve(const EVP_PKEY& key) {
    std::array<char, 64> name{};
    if (EVP_PKEY_get_group_name(&key, name.data(), name.size(), nullptr) != 1) {
        ERR_clear_error();
        return {};
    }
    switch (OBJ_txt2nid(name.data())) {
        case NID_X9_62_prime256v1:
            return KeyKind::ecdsa_p256;
        case NID_secp384r1:
            return KeyKind::ecdsa_p384;
        case NID_secp521r1:
            return KeyKind::ecdsa_p521;
        default:
            return {};
    }
}

bool set_padding(EVP_PKEY_CTX* context, const Shape& shape) {
    return !shape.pss || (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
                          EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1);
}

}  // namespace

std::optional<KeyKind> kind_of(const EVP_PKEY& key) {
    switch (EVP_PKEY_get_base_id(&key)) {
        case EVP_PKEY_RSA:
            return KeyKind::rsa;
        case EVP_PKEY_EC:
            return kind_of_curve(key);
        case EVP_PKEY_ED25519:
            return KeyKind::ed25519;
        case EVP_PKEY_ED448:
            return KeyKind::ed448;
        default:
            return {};
    }
}

bool fits(KeyKind kind, SignatureScheme scheme) {
    return family_of(kind) == shape_of(scheme).family;
}

Result<std::vector<std::uint8_t>> sign(EVP_PKEY& key, SignatureScheme scheme, Bytes message) {
    const Shape shape = shape_of(scheme);
    const auto kind = kind_of(key);
    const DigestContextPtr context{EVP_MD_CTX_new()};
    EVP_PKEY_CTX* parameters = nullptr;
    std::vector<std::uint8_t> signature(static_cast<std::size_t>(std::max(EVP_PKEY_get_size(&key), 0)));
    std::size_t size = signature.size();
    const bool signed_it =
        kind && fits(*kind, scheme) &&
        EVP_DigestSignInit_ex(context.get(), &parameters, shape.hash, nullptr, nullptr, &key, nullptr) == 1 &&
        set_padding(parameters, shape) &&
        EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) == 1;
    const std::string problem = take_openssl_error();
    if (!signed_it) {
        return fail("signing-failed",
                    fmt::format("the private key made no signature: {}",
                                problem.empty() ? "it is of another kind than the signature wanted" : problem));
    }
    signature.resize(size);
    return signature;
}

bool verify(EVP_PKEY& key, SignatureScheme scheme, Bytes message, Bytes signature) {
    const Shape shape = shape_of(scheme);
    const auto kind = kind_of(key);
    const DigestContextPtr context{EVP_MD_CTX_new()};
    EVP_PKEY_CTX* parameters = nullptr;
    const bool good =
        kind && fits(*kind, scheme) &&
        EVP_DigestVerifyInit_ex(context.get(), &parameters, shape.hash, nullptr, nullptr, &key, nullptr) == 1 &&
        set_padding(parameters, shape) &&
        EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
    ERR_clear_error();
    return good;
}

std::vector<std::uint8_t> ecdsa_to_plain(Bytes der, std::size_t width) {
    const std::uint8_t* at = der.data();
    const EcdsaSignaturePtr parsed{d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()))};
    std::vector<std::uint8_t> plain(2 * width);
    const int half = static_cast<int>(width);
    if (!parsed || BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), plain.data(), half) != half ||
        BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), plain.data() + width, half) != half) {
        ERR_clear_error();
        return {};
    }
    return plain;
}

std::vector<std::uint8_t> ecdsa_from_plain(Bytes plain) {
    if (plain.empty() || plain.size() % 2 != 0) {
        return {};
    }
    const int half = static_cast<int>(plain.size() / 2);
    const EcdsaSignaturePtr made{ECDSA_SIG_new()};
    BignumPtr r{BN_bin2bn(plain.data(), half, nullptr)};
    BignumPtr s{BN_bin2bn(plain.data() + half, half, nullptr)};
    if (!made || !r || !s || ECDSA_SIG_set0(made.get(), r.get(), s.get()) != 1) {
        return {};
    }
    // The signature owns them now.
    static_cast<void>(r.release());
    static_cast<void>(s.release());
    std::vector<std::uint8_t> der(static_cast<std::size_t>(i2d_ECDSA_SIG(made.get(), nullptr)));
    std::uint8_t* out = der.data();
    i2d_ECDSA_SIG(made.get(), &out);
    return der;
}

}  // namespace keysluice::crypto
