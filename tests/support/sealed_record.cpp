#include "tests/support/sealed_record.hpp"

#include <openssl/evp.h>

#include <memory>
#include <numeric>
#include <stdexcept>

#include "crypto/traffic_secret.hpp"

namespace keysluice::test {
namespace {

constexpr std::size_t kTagSize = 16;
constexpr std::uint16_t kLegacyVersion = 0x0303;

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const EVP_CIPHER* algorithm(ktls::Cipher cipher) {
    switch (cipher) {
        case ktls::Cipher::aes128_gcm:
            return EVP_aes_128_gcm();
        case ktls::Cipher::aes256_gcm:
            return EVP_aes_256_gcm();
        case ktls::Cipher::chacha20_poly1305:
            return EVP_chacha20_poly1305();
        case ktls::Cipher::aes128_ccm:
            return EVP_aes_128_ccm();
    }
    return nullptr;
}

void require(int ok) {
    if (ok <= 0) {
        throw std::runtime_error("sealing a test record failed");
    }
}

/// Ciphertext and tag.
RecordBytes encrypt(const TestKeys& keys, Bytes nonce, Bytes additional, Bytes plaintext) {
    const Context context{EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
    EVP_CIPHER_CTX* const raw = context.get();
    const bool is_ccm = keys.cipher == ktls::Cipher::aes128_ccm;
    require(EVP_EncryptInit_ex(raw, algorithm(keys.cipher), nullptr, nullptr, nullptr));
    require(EVP_CIPHER_CTX_ctrl(raw, EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(nonce.size()), nullptr));
    if (is_ccm) {
        require(EVP_CIPHER_CTX_ctrl(raw, EVP_CTRL_AEAD_SET_TAG, kTagSize, nullptr));
    }
    require(EVP_EncryptInit_ex(raw, nullptr, nullptr, keys.key.data(), nonce.data()));
    int written = 0;
    if (is_ccm) {
        require(EVP_EncryptUpdate(raw, nullptr, &written, nullptr, static_cast<int>(plaintext.size())));
    }
    require(EVP_EncryptUpdate(raw, nullptr, &written, additional.data(), static_cast<int>(additional.size())));
    RecordBytes sealed(plaintext.size() + kTagSize);
    // An empty plaintext still needs an address, or OpenSSL takes it for the end.
    const std::uint8_t nothing = 0;
    const std::uint8_t* const input = plaintext.empty() ? &nothing : plaintext.data();
    if (!plaintext.empty() || is_ccm) {
        require(EVP_EncryptUpdate(raw, sealed.data(), &written, input, static_cast<int>(plaintext.size())));
    }
    int rest = 0;
    require(EVP_EncryptFinal_ex(raw, sealed.data() + plaintext.size(), &rest));
    require(EVP_CIPHER_CTX_ctrl(raw, EVP_CTRL_AEAD_GET_TAG, kTagSize, sealed.data() + plaintext.size()));
    return sealed;
}

/// RFC 8446 5.3, RFC 7905 2: the IV, with the sequence number XORed into its end.
RecordBytes xored_nonce(Bytes iv, std::uint64_t sequence) {
    RecordBytes nonce(iv.begin(), iv.end());
    for (std::size_t index = 0; index < sizeof(sequence); ++index) {
        nonce[nonce.size() - 1 - index] ^= static_cast<std::uint8_t>(sequence >> (8 * index));
    }
    return nonce;
}

RecordBytes header(ktls::ContentType type, std::size_t size) {
    Writer writer;
    writer.be(static_cast<std::uint8_t>(type)).be(kLegacyVersion).be(static_cast<std::uint16_t>(size));
    return std::move(writer).release();
}

RecordBytes seal_tls13(const TestKeys& keys, std::uint64_t sequence, ktls::ContentType type, Bytes payload,
                       std::size_t padding) {
    RecordBytes inner(payload.begin(), payload.end());
    inner.push_back(static_cast<std::uint8_t>(type));
    inner.resize(inner.size() + padding);
    RecordBytes record = header(ktls::ContentType::application_data, inner.size() + kTagSize);
    const RecordBytes sealed = encrypt(keys, xored_nonce(keys.iv, sequence), record, inner);
    record.insert(record.end(), sealed.begin(), sealed.end());
    return record;
}

RecordBytes seal_tls12(const TestKeys& keys, std::uint64_t sequence, ktls::ContentType type, Bytes payload) {
    Writer additional;  // RFC 5246 6.2.3.3
    additional.be(sequence).raw(header(type, payload.size()));
    Writer explicit_nonce;
    RecordBytes nonce = keys.iv;
    if (keys.cipher == ktls::Cipher::chacha20_poly1305) {
        nonce = xored_nonce(keys.iv, sequence);
    } else {
        explicit_nonce.be(sequence);
        nonce.insert(nonce.end(), explicit_nonce.view().begin(), explicit_nonce.view().end());
    }
    const RecordBytes sealed = encrypt(keys, nonce, additional.view(), payload);
    Writer record;
    record.raw(header(type, explicit_nonce.view().size() + sealed.size())).raw(explicit_nonce.view()).raw(sealed);
    return std::move(record).release();
}

RecordBytes counting(std::size_t size, std::uint8_t seed) {
    RecordBytes bytes(size);
    std::iota(bytes.begin(), bytes.end(), seed);
    return bytes;
}

}  // namespace

TestKeys TestKeys::make(ktls::Version version, ktls::Cipher cipher, std::uint8_t seed) {
    return {.version = version,
            .cipher = cipher,
            .key = counting(ktls::key_size(cipher), seed),
            .iv = counting(ktls::iv_size(version, cipher), static_cast<std::uint8_t>(seed + 100))};
}

TestKeys TestKeys::from(ktls::Cipher cipher, const ktls::TrafficSecret& secret) {
    TestKeys keys = make(ktls::Version::tls13, cipher, 0);
    require(crypto::traffic_key(crypto::Hash::sha256, secret.expose(), keys.key, keys.iv) ? 1 : 0);
    return keys;
}

RecordBytes RecordSealer::seal(ktls::ContentType type, Bytes payload, std::size_t padding) {
    const std::uint64_t sequence = sequence_++;
    return keys_.version == ktls::Version::tls13 ? seal_tls13(keys_, sequence, type, payload, padding)
                                                 : seal_tls12(keys_, sequence, type, payload);
}

RecordBytes RecordSealer::seal_with_bad_mac(ktls::ContentType type, Bytes payload) {
    RecordBytes record = seal(type, payload);
    record.back() ^= 1U;
    return record;
}

RecordBytes garbage_header() {
    const Bytes text = as_bytes("GET / HT");
    return {text.begin(), text.end()};
}

RecordBytes oversized_header() {
    return header(ktls::ContentType::application_data, 0xffff);
}

}  // namespace keysluice::test
