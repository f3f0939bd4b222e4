#include "crypto/mac.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include <algorithm>
#include <cassert>
#include <functional>
#include <string>
#include <utility>

#include "base/secret.hpp"

namespace keysluice::crypto {

namespace {

constexpr std::size_t kBlock = 16;
constexpr std::size_t kLargestOutput = 64;

/// How OpenSSL calls an algorithm and the one that it is built from.
struct Names {
    const char* mac;
    const char* parameter;
    const char* value;
};

Names names_of(MacAlgorithm algorithm) {
    switch (algorithm) {
        case MacAlgorithm::hmac_md5:
            return {OSSL_MAC_NAME_HMAC, OSSL_MAC_PARAM_DIGEST, "MD5"};
        case MacAlgorithm::hmac_sha1:
            return {OSSL_MAC_NAME_HMAC, OSSL_MAC_PARAM_DIGEST, "SHA1"};
        case MacAlgorithm::hmac_sha256:
            return {OSSL_MAC_NAME_HMAC, OSSL_MAC_PARAM_DIGEST, "SHA256"};
        case MacAlgorithm::hmac_sha384:
            return {OSSL_MAC_NAME_HMAC, OSSL_MAC_PARAM_DIGEST, "SHA384"};
        case MacAlgorithm::hmac_sha512:
            return {OSSL_MAC_NAME_HMAC, OSSL_MAC_PARAM_DIGEST, "SHA512"};
        case MacAlgorithm::aes128_xcbc:
        case MacAlgorithm::aes128_cmac:
            return {OSSL_MAC_NAME_CMAC, OSSL_MAC_PARAM_CIPHER, "AES-128-CBC"};
    }
    std::unreachable();
}

std::unexpected<Error> unavailable(const char* name) {
    ERR_clear_error();
    return fail("crypto-unavailable",
                std::string("OpenSSL could not compute ") + name + "; is the provider that has it loaded?");
}

MacContextPtr make_context(MacAlgorithm algorithm) {
    const Names names = names_of(algorithm);
    const MacPtr mac{EVP_MAC_fetch(nullptr, names.mac, nullptr)};
    MacContextPtr context{mac ? EVP_MAC_CTX_new(mac.get()) : nullptr};
    const std::array parameters{
        OSSL_PARAM_construct_utf8_string(names.parameter, const_cast<char*>(names.value), 0),
        OSSL_PARAM_construct_end(),
    };
    if (context && EVP_MAC_CTX_set_params(context.get(), parameters.data()) <= 0) {
        context.reset();
    }
    return context;
}

/// AES-XCBC-MAC (RFC 3566): CBC under K1 from a zero vector, the last block masked with K2 when it is whole, or
/// padded with one bit and masked with K3. K1, K2 and K3 encrypt 0x01…, 0x02… and 0x03… under the key.
class Xcbc {
   public:
    Xcbc(EVP_CIPHER_CTX* context, const EVP_CIPHER* aes) : context_(context), aes_(aes) {}
    Xcbc(const Xcbc&) = delete;
    Xcbc& operator=(const Xcbc&) = delete;
    ~Xcbc() { EVP_CIPHER_CTX_reset(context_); }

    bool start(Bytes key) {
        const MutableBytes keys = keys_.writable(3 * kBlock);
        for (std::size_t index = 0; index < keys.size(); ++index) {
            keys[index] = static_cast<std::uint8_t>(1 + (index / kBlock));
        }
        return set_key(key) && encrypt(keys) && set_key(keys.first(kBlock));
    }

    bool update(Bytes bytes) {
        const MutableBytes sum = sum_.writable(kBlock);
        for (const std::uint8_t byte : bytes) {
            // A full block waits until another byte shows that it isn't the last one.
            if (filled_ == kBlock) {
                if (!encrypt(sum)) {
                    return false;
                }
                filled_ = 0;
            }
            sum[filled_++] ^= byte;
        }
        return true;
    }

    bool finish(MutableBytes out) {
        const MutableBytes sum = sum_.writable(kBlock);
        const bool whole = filled_ == kBlock;
        if (!whole) {
            sum[filled_] ^= 0x80U;
        }
        const Bytes mask = keys_.expose().subspan(whole ? kBlock : 2 * kBlock, kBlock);
        std::ranges::transform(sum, mask, sum.begin(), std::bit_xor{});
        if (!encrypt(sum)) {
            return false;
        }
        std::ranges::copy(sum.first(out.size()), out.begin());
        return true;
    }

   private:
    bool set_key(Bytes key) {
        return EVP_EncryptInit_ex2(context_, aes_, key.data(), nullptr, nullptr) > 0 &&
               EVP_CIPHER_CTX_set_padding(context_, 0) > 0;
    }
    bool encrypt(MutableBytes blocks) {
        int written = 0;
        return EVP_EncryptUpdate(context_, blocks.data(), &written, blocks.data(), static_cast<int>(blocks.size())) >
               0;
    }

    EVP_CIPHER_CTX* context_;
    const EVP_CIPHER* aes_;
    Secret<3 * kBlock> keys_;
    Secret<kBlock> sum_;
    std::size_t filled_ = 0;
};

}  // namespace

std::size_t output_size(MacAlgorithm algorithm) {
    switch (algorithm) {
        case MacAlgorithm::hmac_md5:
        case MacAlgorithm::aes128_xcbc:
        case MacAlgorithm::aes128_cmac:
            return 16;
        case MacAlgorithm::hmac_sha1:
            return 20;
        case MacAlgorithm::hmac_sha256:
            return 32;
        case MacAlgorithm::hmac_sha384:
            return 48;
        case MacAlgorithm::hmac_sha512:
            return 64;
    }
    std::unreachable();
}

Result<EVP_MAC_CTX*> Macs::keyed(MacAlgorithm algorithm, Bytes key) {
    MacContextPtr& context = contexts_.at(static_cast<std::size_t>(algorithm));
    if (!context) {
        context = make_context(algorithm);
    }
    // To OpenSSL a null key means the previous one: an empty key needs an address.
    static constexpr std::uint8_t kEmpty = 0;
    const std::uint8_t* const bytes = key.empty() ? &kEmpty : key.data();
    if (!context || EVP_MAC_init(context.get(), bytes, key.size(), nullptr) <= 0) {
        return unavailable(names_of(algorithm).value);
    }
    return context.get();
}

Result<void> Macs::compute_xcbc(Bytes key, std::span<const Bytes> parts, MutableBytes out) {
    if (!aes_) {
        aes_.reset(EVP_CIPHER_fetch(nullptr, "AES-128-ECB", nullptr));
        aes_context_.reset(EVP_CIPHER_CTX_new());
    }
    if (!aes_ || !aes_context_) {
        return unavailable("AES-128-ECB");
    }
    Xcbc xcbc{aes_context_.get(), aes_.get()};
    if (!xcbc.start(key) || !std::ranges::all_of(parts, [&](Bytes part) { return xcbc.update(part); }) ||
        !xcbc.finish(out)) {
        return unavailable("AES-128-ECB");
    }
    return {};
}

Result<void> Macs::compute(MacAlgorithm algorithm, Bytes key, std::span<const Bytes> parts, MutableBytes out) {
    assert(out.size() <= output_size(algorithm));
    const bool xcbc = algorithm == MacAlgorithm::aes128_xcbc;
    assert((!xcbc && algorithm != MacAlgorithm::aes128_cmac) || key.size() == kBlock);
    if (xcbc) {
        return compute_xcbc(key, parts, out);
    }
    const auto context = keyed(algorithm, key);
    if (!context) {
        return std::unexpected(context.error());
    }
    Secret<kLargestOutput> code;
    const MutableBytes whole = code.writable(output_size(algorithm));
    std::size_t written = 0;
    const auto update = [&](Bytes part) { return EVP_MAC_update(*context, part.data(), part.size()) > 0; };
    if (!std::ranges::all_of(parts, update) || EVP_MAC_final(*context, whole.data(), &written, whole.size()) <= 0 ||
        written != whole.size()) {
        return unavailable(names_of(algorithm).value);
    }
    std::ranges::copy(whole.first(out.size()), out.begin());
    return {};
}

Result<bool> Macs::verify(MacAlgorithm algorithm, Bytes key, std::span<const Bytes> parts, Bytes code) {
    assert(!code.empty() && code.size() <= output_size(algorithm));
    Secret<kLargestOutput> expected;
    const MutableBytes wanted = expected.writable(code.size());
    if (auto computed = compute(algorithm, key, parts, wanted); !computed) {
        return pass_on(std::move(computed));
    }
    return CRYPTO_memcmp(wanted.data(), code.data(), code.size()) == 0;
}

}  // namespace keysluice::crypto
