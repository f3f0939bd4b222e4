#include "ike/wire/transform.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ike/algorithms.hpp"

namespace keysluice::ike::wire {
namespace {

constexpr Keyword encryption(std::string_view name, EncryptionId id, std::uint16_t key_bits,
                             std::string_view weakness = {}) {
    return {name, TransformType::encryption, static_cast<std::uint16_t>(id), key_bits, weakness};
}

constexpr Keyword integrity(std::string_view name, IntegrityId id, std::string_view weakness = {}) {
    return {name, TransformType::integrity, static_cast<std::uint16_t>(id), 0, weakness};
}

constexpr Keyword prf(std::string_view name, PrfId id, std::string_view weakness = {}) {
    return {name, TransformType::prf, static_cast<std::uint16_t>(id), 0, weakness};
}

constexpr Keyword group(std::string_view name, GroupId id, std::string_view weakness = {}) {
    return {name, TransformType::key_exchange, static_cast<std::uint16_t>(id), 0, weakness};
}

constexpr std::array kKeywords{
    encryption("aes128gcm16", EncryptionId::aes_gcm_16, 128),
    encryption("aes128gcm128", EncryptionId::aes_gcm_16, 128),
    encryption("aes128gcm", EncryptionId::aes_gcm_16, 128),
    encryption("aes192gcm16", EncryptionId::aes_gcm_16, 192),
    encryption("aes192gcm128", EncryptionId::aes_gcm_16, 192),
    encryption("aes192gcm", EncryptionId::aes_gcm_16, 192),
    encryption("aes256gcm16", EncryptionId::aes_gcm_16, 256),
    encryption("aes256gcm128", EncryptionId::aes_gcm_16, 256),
    encryption("aes256gcm", EncryptionId::aes_gcm_16, 256),
    encryption("aes128ccm16", EncryptionId::aes_ccm_16, 128),
    encryption("aes128ccm128", EncryptionId::aes_ccm_16, 128),
    encryption("aes128ccm", EncryptionId::aes_ccm_16, 128),
    encryption("aes192ccm16", EncryptionId::aes_ccm_16, 192),
    encryption("aes192ccm128", EncryptionId::aes_ccm_16, 192),
    encryption("aes192ccm", EncryptionId::aes_ccm_16, 192),
    encryption("aes256ccm16", EncryptionId::aes_ccm_16, 256),
    encryption("aes256ccm128", EncryptionId::aes_ccm_16, 256),
    encryption("aes256ccm", EncryptionId::aes_ccm_16, 256),
    encryption("chacha20poly1305", EncryptionId::chacha20_poly1305, 0),
    encryption("aes128", EncryptionId::aes_cbc, 128),
    encryption("aes", EncryptionId::aes_cbc, 128),
    encryption("aes192", EncryptionId::aes_cbc, 192),
    encryption("aes256", EncryptionId::aes_cbc, 256),
    encryption("aes128ctr", EncryptionId::aes_ctr, 128),
    encryption("aes192ctr", EncryptionId::aes_ctr, 192),
    encryption("aes256ctr", EncryptionId::aes_ctr, 256),
    encryption("3des", EncryptionId::des3, 0, "3des"),
    encryption("null", EncryptionId::null, 0),
    integrity("sha256", IntegrityId::hmac_sha2_256_128),
    integrity("sha2_256", IntegrityId::hmac_sha2_256_128),
    integrity("sha384", IntegrityId::hmac_sha2_384_192),
    integrity("sha2_384", IntegrityId::hmac_sha2_384_192),
    integrity("sha512", IntegrityId::hmac_sha2_512_256),
    integrity("sha2_512", IntegrityId::hmac_sha2_512_256),
    integrity("aesxcbc", IntegrityId::aes_xcbc_96),
    integrity("sha1", IntegrityId::hmac_sha1_96, "sha1"),
    integrity("sha", IntegrityId::hmac_sha1_96, "sha1"),
    integrity("md5", IntegrityId::hmac_md5_96, "md5"),
    prf("prfsha256", PrfId::hmac_sha2_256),
    prf("prfsha384", PrfId::hmac_sha2_384),
    prf("prfsha512", PrfId::hmac_sha2_512),
    prf("prfaesxcbc", PrfId::aes128_xcbc),
    prf("prfaescmac", PrfId::aes128_cmac),
    prf("prfsha1", PrfId::hmac_sha1, "sha1"),
    prf("prfmd5", PrfId::hmac_md5, "md5"),
    group("x25519", GroupId::x25519),
    group("curve25519", GroupId::x25519),
    group("x448", GroupId::x448),
    group("curve448", GroupId::x448),
    group("ecp256", GroupId::ecp256),
    group("ecp384", GroupId::ecp384),
    group("ecp521", GroupId::ecp521),
    group("modp4096", GroupId::modp4096),
    group("modp3072", GroupId::modp3072),
    group("modp2048", GroupId::modp2048),
    group("modp1536", GroupId::modp1536, "modp1536"),
    group("modp1024", GroupId::modp1024, "modp1024"),
    group("modp768", GroupId::modp768, "modp768"),
    group("none", GroupId::none),
    group("modpnone", GroupId::none),
    Keyword{"noesn", TransformType::esn, 0},
    Keyword{"esn", TransformType::esn, 1},
};

}  // namespace

std::span<const Keyword> keywords() {
    return kKeywords;
}

const Keyword* find_keyword(std::string_view name) {
    const auto found = std::ranges::find(kKeywords, name, &Keyword::name);
    return found == kKeywords.end() ? nullptr : &*found;
}

std::string name_of(const Transform& transform) {
    const auto found = std::ranges::find_if(kKeywords, [&transform](const Keyword& keyword) {
        return keyword.type == transform.type && keyword.id == transform.id && keyword.key_bits == transform.key_bits;
    });
    std::string name;
    if (found != kKeywords.end()) {
        name = found->name;
    } else if (transform.key_bits == 0) {
        name = fmt::format("{} {}", name_of(transform.type), transform.id);
    } else {
        name = fmt::format("{} {} ({} bits)", name_of(transform.type), transform.id, transform.key_bits);
    }
    return transform.not_understood ? name + "?" : name;
}

std::string print(const std::vector<Transform>& transforms) {
    std::string text;
    for (const Transform& transform : transforms) {
        text += (text.empty() ? "" : "-") + name_of(transform);
    }
    return text;
}

std::string name_of(TransformType type) {
    switch (type) {
        case TransformType::encryption:
            return "encryption";
        case TransformType::prf:
            return "prf";
        case TransformType::integrity:
            return "integrity";
        case TransformType::key_exchange:
            return "key exchange";
        case TransformType::esn:
            return "esn";
    }
    return fmt::format("transform type {}", static_cast<unsigned>(type));
}

std::string name_of(Protocol protocol) {
    switch (protocol) {
        case Protocol::none:
            break;
        case Protocol::ike:
            return "IKE";
        case Protocol::ah:
            return "AH";
        case Protocol::esp:
            return "ESP";
    }
    return fmt::format("protocol {}", static_cast<unsigned>(protocol));
}

}  // namespace keysluice::ike::wire
