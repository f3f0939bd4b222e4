#include "crypto/cipher.hpp"

#include <openssl/err.h>

#include <cassert>
#include <string>
#include <utility>

#include "base/secret.hpp"

namespace keysluice::crypto {

namespace {

enum class Mode { gcm, ccm, chacha, cbc, ctr };

struct Shape {
    const char* name;
    Mode mode;
    std::size_t key_size;
    std::size_t block_size;
};

Shape shape_of(Cipher cipher) {
    switch (cipher) {
        case Cipher::aes128_gcm:
            return {"AES-128-GCM", Mode::gcm, 16, 1};
        case Cipher::aes192_gcm:
            return {"AES-192-GCM", Mode::gcm, 24, 1};
        case Cipher::aes256_gcm:
            return {"AES-256-GCM", Mode::gcm, 32, 1};
        case Cipher::aes128_ccm:
            return {"AES-128-CCM", Mode::ccm, 16, 1};
        case Cipher::aes192_ccm:
            return {"AES-192-CCM", Mode::ccm, 24, 1};
        case Cipher::aes256_ccm:
            return {"AES-256-CCM", Mode::ccm, 32, 1};
        case Cipher::chacha20_poly1305:
            return {"ChaCha20-Poly1305", Mode::chacha, 32, 1};
        case Cipher::aes128_cbc:
            return {"AES-128-CBC", Mode::cbc, 16, 16};
        case Cipher::aes192_cbc:
            return {"AES-192-CBC", Mode::cbc, 24, 16};
        case Cipher::aes256_cbc:
            return {"AES-256-CBC", Mode::cbc, 32, 16};
        case Cipher::aes128_ctr:
            return {"AES-128-CTR", Mode::ctr, 16, 1};
        case Cipher::aes192_ctr:
            return {"AES-192-CTR", Mode::ctr, 24, 1};
        case Cipher::aes256_ctr:
            return {"AES-256-CTR", Mode::ctr, 32, 1};
        case Cipher::des3_cbc:
            return {"DES-EDE3-CBC", Mode::cbc, 24, 8};
    }
    std::unreachable();
}

bool is_aead(Mode mode) {
    return mode == Mode::gcm || mode == Mode::ccm || mode == Mode::chacha;
}

constexpr std::size_t kTagSize = 16;

int as_int(std::size_t size) {
    return static_cast<int>(size);
}

/// Makes the context forget its key on every way out.
struct Forgetting {
    EVP_CIPHER_CTX* context;
    ~Forgetting() {
        EVP_CIPHER_CTX_reset(context);
        ERR_clear_error();
    }
};

}  // namespace

std::size_t key_size(Cipher cipher) {
    return shape_of(cipher).key_size;
}

std::size_t nonce_size(Cipher cipher) {
    switch (shape_of(cipher).mode) {
        case Mode::gcm:
        case Mode::chacha:
            return 12;
        case Mode::ccm:
            return 11;
        case Mode::cbc:
            return block_size(cipher);
        case Mode::ctr:
            return 16;
    }
    std::unreachable();
}

std::size_t tag_size(Cipher cipher) {
    return is_aead(shape_of(cipher).mode) ? kTagSize : 0;
}

std::size_t block_size(Cipher cipher) {
    return shape_of(cipher).block_size;
}

/// `tag`: the one to expect of a message that is opened.
bool Ciphers::start(Cipher cipher, Direction direction, Bytes key, Bytes nonce, Bytes tag) {
    const Shape shape = shape_of(cipher);
    assert(key.size() == shape.key_size && nonce.size() == nonce_size(cipher));
    CipherPtr& fetched = fetched_.at(static_cast<std::size_t>(cipher));
    if (!fetched) {
        fetched.reset(EVP_CIPHER_fetch(nullptr, shape.name, nullptr));
    }
    if (!context_) {
        context_.reset(EVP_CIPHER_CTX_new());
    }
    EVP_CIPHER_CTX* const context = context_.get();
    const int encrypting = direction == Direction::sealing ? 1 : 0;
    if (context == nullptr || !fetched ||
        EVP_CipherInit_ex(context, fetched.get(), nullptr, nullptr, nullptr, encrypting) <= 0 ||
        EVP_CIPHER_CTX_set_padding(context, 0) <= 0) {
        return false;
    }
    // CCM binds the nonce's and the tag's sizes when it is given the key, so the key comes last.
    if (is_aead(shape.mode) &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, as_int(nonce.size()), nullptr) <= 0) {
        return false;
    }
    if ((!tag.empty() || shape.mode == Mode::ccm) &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, as_int(kTagSize),
                            const_cast<std::uint8_t*>(tag.data())) <= 0) {
        return false;
    }
    return EVP_CipherInit_ex(context, nullptr, nullptr, key.data(), nonce.data(), -1) > 0;
}

bool Ciphers::process(Cipher cipher, Bytes associated, Bytes in, MutableBytes out) {
    EVP_CIPHER_CTX* const context = context_.get();
    int written = 0;
    int finished = 0;
    if (shape_of(cipher).mode == Mode::ccm &&
        EVP_CipherUpdate(context, nullptr, &written, nullptr, as_int(in.size())) <= 0) {
        return false;
    }
    if (!associated.empty() &&
        EVP_CipherUpdate(context, nullptr, &written, associated.data(), as_int(associated.size())) <= 0) {
        return false;
    }
    // To OpenSSL a null pointer means something else than an empty range.
    std::uint8_t none = 0;
    std::uint8_t* const to = out.empty() ? &none : out.data();
    return EVP_CipherUpdate(context, to, &written, in.empty() ? &none : in.data(), as_int(in.size())) > 0 &&
           EVP_CipherFinal_ex(context, to + written, &finished) > 0;
}

Result<void> Ciphers::seal(Cipher cipher, Bytes key, Bytes nonce, Bytes associated, Bytes plaintext,
                           MutableBytes out) {
    const std::size_t tag = tag_size(cipher);
    assert(out.size() == plaintext.size() + tag && (associated.empty() || tag > 0));
    assert(plaintext.size() % block_size(cipher) == 0);
    const bool processed = start(cipher, Direction::sealing, key, nonce, {}) &&
                           process(cipher, associated, plaintext, out.first(plaintext.size()));
    const Forgetting forgetting{context_.get()};
    if (!processed || (tag > 0 && EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, as_int(tag),
                                                      out.last(tag).data()) <= 0)) {
        return fail("seal-failed", std::string("OpenSSL could not encrypt with ") + shape_of(cipher).name +
                                       "; is the provider that has it loaded?");
    }
    return {};
}

Result<void> Ciphers::open(Cipher cipher, Bytes key, Bytes nonce, Bytes associated, Bytes sealed, MutableBytes out) {
    const std::size_t tag = tag_size(cipher);
    if (sealed.size() < tag || (sealed.size() - tag) % block_size(cipher) != 0) {
        return fail("open-failed", "ciphertext of " + std::to_string(sealed.size()) +
                                       " bytes, expected whole blocks of " + std::to_string(block_size(cipher)) +
                                       " and a tag of " + std::to_string(tag));
    }
    const Bytes ciphertext = sealed.first(sealed.size() - tag);
    assert(out.size() == ciphertext.size() && (associated.empty() || tag > 0));
    const bool started = start(cipher, Direction::opening, key, nonce, sealed.last(tag));
    const Forgetting forgetting{context_.get()};
    if (started && process(cipher, associated, ciphertext, out)) {
        return {};
    }
    wipe(out.data(), out.size());
    if (started && tag > 0) {
        return fail("bad-tag", "authentication failed: wrong key, wrong nonce or changed bytes");
    }
    return fail("open-failed", std::string("OpenSSL could not decrypt with ") + shape_of(cipher).name +
                                   "; is the provider that has it loaded?");
}

}  // namespace keysluice::crypto
