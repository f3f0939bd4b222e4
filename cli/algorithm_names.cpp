#include "cli/algorithm_names.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace keysluice::cli {
namespace {

/// The keywords that ike/wire/transform.cpp prints.
constexpr std::array<std::pair<std::string_view, std::string_view>, 39> kNames{{
    {"aes128gcm16", "AES_GCM_16-128"},
    {"aes192gcm16", "AES_GCM_16-192"},
    {"aes256gcm16", "AES_GCM_16-256"},
    {"aes128ccm16", "AES_CCM_16-128"},
    {"aes192ccm16", "AES_CCM_16-192"},
    {"aes256ccm16", "AES_CCM_16-256"},
    {"chacha20poly1305", "CHACHA20_POLY1305"},
    {"aes128", "AES_CBC-128"},
    {"aes192", "AES_CBC-192"},
    {"aes256", "AES_CBC-256"},
    {"aes128ctr", "AES_CTR-128"},
    {"aes192ctr", "AES_CTR-192"},
    {"aes256ctr", "AES_CTR-256"},
    {"3des", "3DES_CBC"},
    {"null", "NULL"},
    {"sha256", "HMAC_SHA2_256_128"},
    {"sha384", "HMAC_SHA2_384_192"},
    {"sha512", "HMAC_SHA2_512_256"},
    {"aesxcbc", "AES_XCBC_96"},
    {"sha1", "HMAC_SHA1_96"},
    {"md5", "HMAC_MD5_96"},
    {"prfsha256", "PRF_HMAC_SHA2_256"},
    {"prfsha384", "PRF_HMAC_SHA2_384"},
    {"prfsha512", "PRF_HMAC_SHA2_512"},
    {"prfaesxcbc", "PRF_AES128_XCBC"},
    {"prfaescmac", "PRF_AES128_CMAC"},
    {"prfsha1", "PRF_HMAC_SHA1"},
    {"prfmd5", "PRF_HMAC_MD5"},
    {"x25519", "CURVE_25519"},
    {"x448", "CURVE_448"},
    {"ecp256", "ECP_256"},
    {"ecp384", "ECP_384"},
    {"ecp521", "ECP_521"},
    {"modp4096", "MODP_4096"},
    {"modp3072", "MODP_3072"},
    {"modp2048", "MODP_2048"},
    {"modp1536", "MODP_1536"},
    {"modp1024", "MODP_1024"},
    {"modp768", "MODP_768"},
}};

std::string name_of(std::string_view word) {
    if (word == "none" || word == "noesn") {  // swanctl says nothing of what is not used
        return "";
    }
    if (word == "esn") {
        return "ESN";
    }
    const auto* const found = std::ranges::find(kNames, word, [](const auto& each) { return each.first; });
    return std::string(found == kNames.end() ? word : found->second);
}

}  // namespace

std::string swanctl_name(std::string_view suite) {
    std::string text;
    while (!suite.empty()) {
        const std::string name = name_of(suite.substr(0, suite.find('-')));
        text += (text.empty() || name.empty() ? "" : "/") + name;
        suite.remove_prefix(std::min(suite.size(), std::min(suite.find('-'), suite.size() - 1) + 1));
    }
    return text;
}

}  // namespace keysluice::cli
