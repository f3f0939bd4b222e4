#include "crypto/aead.hpp"

#include <openssl/err.h>

#include <array>
#include <cassert>
#include <string>
#include <string_view>

namespace keysluice::crypto {

namespace {

const EVP_CIPHER* cipher_of(AeadAlgorithm algorithm) {
    static const std::array<CipherPtr, 4> fetched{
        CipherPtr{EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr)},
        CipherPtr{EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr)},
        CipherPtr{EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr)},
        CipherPtr{EVP_CIPHER_fetch(nullptr, "AES-128-CCM", nullptr)},
    };
    return fetched.at(static_cast<std::size_t>(algorithm)).get();
}

int as_int(std::size_t size) {
    return static_cast<int>(size);
}

}  // namespace

Result<Aead> Aead::make(AeadAlgorithm algorithm, Bytes key) {
    if (key.size() != key_size(algorithm)) {
        return fail("wrong-key-size", "an AEAD key has " + std::to_string(key.size()) + " bytes, expected " +
                                          std::to_string(key_size(algorithm)));
    }
    CipherContextPtr context{EVP_CIPHER_CTX_new()};
    if (!context || cipher_of(algorithm) == nullptr) {
        ERR_clear_error();
        return fail("crypto-unavailable", "OpenSSL does not offer this AEAD cipher; is its default provider loaded?");
    }
    return Aead(algorithm, key, std::move(context));
}

/// `tag`: the one to expect, or null when encrypting.
bool Aead::start(bool encrypting, Bytes nonce, Bytes additional, std::size_t length, std::uint8_t* tag) {
    int written = 0;
    EVP_CIPHER_CTX* context = context_.get();
    const bool ccm = algorithm_ == AeadAlgorithm::aes128_ccm;
    // CCM binds the direction and the tag's and nonce's sizes when it is given the key, so the key comes last.
    if (nonce.size() != kNonceSize ||
        EVP_CipherInit_ex(context, cipher_of(algorithm_), nullptr, nullptr, nullptr, encrypting ? 1 : 0) <= 0 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, as_int(kNonceSize), nullptr) <= 0 ||
        ((ccm || tag != nullptr) &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, as_int(kTagSize), tag) <= 0) ||
        EVP_CipherInit_ex(context, nullptr, nullptr, key_.expose().data(), nonce.data(), -1) <= 0) {
        return false;
    }
    if (ccm && EVP_CipherUpdate(context, nullptr, &written, nullptr, as_int(length)) <= 0) {
        return false;
    }
    return additional.empty() ||
           EVP_CipherUpdate(context, nullptr, &written, additional.data(), as_int(additional.size())) > 0;
}

Result<std::vector<std::uint8_t>> Aead::seal(Bytes nonce, Bytes additional, Bytes plaintext) {
    std::vector<std::uint8_t> sealed(plaintext.size() + kTagSize);
    if (auto done = seal_into(sealed, nonce, additional, plaintext); !done) {
        return pass_on(std::move(done));
    }
    return sealed;
}

Result<void> Aead::seal_into(MutableBytes sealed, Bytes nonce, Bytes additional, Bytes plaintext) {
    assert(sealed.size() == plaintext.size() + kTagSize);
    // OpenSSL never sees the null pointer of an empty range: to it that means something else.
    const std::uint8_t* const from = plaintext.empty() ? sealed.data() : plaintext.data();
    EVP_CIPHER_CTX* context = context_.get();
    int written = 0;
    int finished = 0;
    if (!start(true, nonce, additional, plaintext.size(), nullptr) ||
        EVP_CipherUpdate(context, sealed.data(), &written, from, as_int(plaintext.size())) <= 0 ||
        EVP_CipherFinal_ex(context, sealed.data() + written, &finished) <= 0 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, as_int(kTagSize), sealed.data() + plaintext.size()) <=
            0) {
        ERR_clear_error();
        return fail("seal-failed", "OpenSSL could not encrypt: the nonce must have 12 bytes");
    }
    return {};
}

Result<std::vector<std::uint8_t>> Aead::open(Bytes nonce, Bytes additional, Bytes sealed) {
    static constexpr std::string_view kSentence = "authentication failed: wrong key, wrong nonce or changed bytes";
    if (sealed.size() < kTagSize) {
        return fail("bad-tag", std::string(kSentence));
    }
    const std::size_t length = sealed.size() - kTagSize;
    std::vector<std::uint8_t> plaintext(sealed.begin(), sealed.end());
    EVP_CIPHER_CTX* context = context_.get();
    int written = 0;
    int finished = 0;
    if (!start(false, nonce, additional, length, plaintext.data() + length) ||
        EVP_CipherUpdate(context, plaintext.data(), &written, plaintext.data(), as_int(length)) <= 0 ||
        EVP_CipherFinal_ex(context, plaintext.data() + written, &finished) <= 0) {
        ERR_clear_error();
        return fail("bad-tag", std::string(kSentence));
    }
    plaintext.resize(length);
    return plaintext;
}

}  // namespace keysluice::crypto
