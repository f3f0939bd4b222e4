#include "tls/sealed_record.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "crypto/aead.hpp"

namespace keysluice::tls {

namespace {

using crypto::Aead;
using crypto::AeadAlgorithm;

constexpr std::size_t kMaxContent = 1U << 14U;
/// RFC 8446 5.2: "legacy_record_version … MUST be set to 0x0303".
constexpr std::uint16_t kLegacyVersion = 0x0303;

std::optional<AeadAlgorithm> algorithm_of(Cipher cipher) {
    switch (cipher) {
        case Cipher::aes128_gcm:
            return AeadAlgorithm::aes128_gcm;
        case Cipher::aes256_gcm:
            return AeadAlgorithm::aes256_gcm;
        case Cipher::chacha20_poly1305:
            return AeadAlgorithm::chacha20_poly1305;
        case Cipher::aes128_ccm:
            return AeadAlgorithm::aes128_ccm;
        case Cipher::other:
            return std::nullopt;
    }
    std::unreachable();
}

}  // namespace

Result<std::vector<std::uint8_t>> seal_record(Cipher cipher, const DirectionKeys& keys, std::uint64_t number,
                                              ContentType type, Bytes content) {
    if (content.size() > kMaxContent) {
        return fail("record-overflow", "more than 2^14 octets do not fit into a record");
    }
    const auto algorithm = algorithm_of(cipher);
    if (!algorithm) {
        return fail("cipher-not-in-kernel", "this cipher is OpenSSL's alone");
    }
    auto aead = Aead::make(*algorithm, keys.key.expose());
    if (!aead) {
        return pass_on(std::move(aead));
    }
    // RFC 8446 5.3: the number, "padded to the left with zeros to iv_length", XORed with the IV.
    std::array<std::uint8_t, Aead::kNonceSize> nonce{};
    std::ranges::copy(keys.iv.expose(), nonce.begin());
    for (std::size_t i = 0; i < sizeof(number); ++i) {
        nonce[nonce.size() - 1 - i] ^= static_cast<std::uint8_t>(number >> (8 * i));
    }
    std::vector<std::uint8_t> inner(content.begin(), content.end());
    inner.push_back(static_cast<std::uint8_t>(type));
    Writer record;
    record.be(static_cast<std::uint8_t>(ContentType::application_data))
        .be(kLegacyVersion)
        .be(static_cast<std::uint16_t>(inner.size() + Aead::kTagSize));
    auto sealed = aead->seal(nonce, record.view(), inner);
    if (!sealed) {
        return pass_on(std::move(sealed));
    }
    record.raw(*sealed);
    return std::move(record).release();
}

}  // namespace keysluice::tls
