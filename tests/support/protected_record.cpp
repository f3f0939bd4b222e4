#include "tests/support/protected_record.hpp"

#include <stdexcept>
#include <utility>

namespace keysluice::testing {

namespace {

constexpr std::uint16_t kLegacyVersion = 0x0303;
constexpr std::uint8_t kApplicationData = 23;

crypto::AeadAlgorithm algorithm_of(tls::Cipher cipher) {
    switch (cipher) {
        case tls::Cipher::aes128_gcm:
            return crypto::AeadAlgorithm::aes128_gcm;
        case tls::Cipher::aes256_gcm:
            return crypto::AeadAlgorithm::aes256_gcm;
        case tls::Cipher::chacha20_poly1305:
            return crypto::AeadAlgorithm::chacha20_poly1305;
        case tls::Cipher::aes128_ccm:
            return crypto::AeadAlgorithm::aes128_ccm;
        case tls::Cipher::other:
            break;
    }
    throw std::logic_error("no algorithm");
}

}  // namespace

RecordProtection::RecordProtection(tls::Version version, tls::Cipher cipher, const tls::DirectionKeys& keys)
    : version_(version),
      cipher_(cipher),
      aead_(crypto::Aead::make(algorithm_of(cipher), keys.key.expose()).value()),
      iv_(keys.iv.expose().begin(), keys.iv.expose().end()),
      next_nonce_(keys.explicit_nonce),
      sequence_(keys.sequence) {}

bool RecordProtection::has_explicit_nonce() const {
    return version_ == tls::Version::tls12 && cipher_ != tls::Cipher::chacha20_poly1305;
}

std::vector<std::uint8_t> RecordProtection::nonce(std::uint64_t explicit_part) const {
    Writer writer;
    if (has_explicit_nonce()) {
        // RFC 5288 3: salt, then nonce_explicit.
        writer.raw(iv_).be(explicit_part);
        return std::move(writer).release();
    }
    // RFC 8446 5.3 and RFC 7905 2: the sequence number, padded to the left, XORed with the IV.
    std::vector<std::uint8_t> bytes = std::move(writer.be(std::uint32_t{0}).be(sequence_)).release();
    for (std::size_t index = 0; index < bytes.size(); ++index) {
        bytes[index] ^= iv_.at(index);
    }
    return bytes;
}

std::vector<std::uint8_t> RecordProtection::additional(std::uint8_t type, std::size_t plain,
                                                       std::size_t sealed) const {
    Writer writer;
    if (version_ == tls::Version::tls12) {
        // RFC 5246 6.2.3.3: seq_num + TLSCompressed.type + TLSCompressed.version + TLSCompressed.length.
        writer.be(sequence_).be(type).be(kLegacyVersion).be(static_cast<std::uint16_t>(plain));
    } else {
        // RFC 8446 5.2: the record's header.
        writer.be(type).be(kLegacyVersion).be(static_cast<std::uint16_t>(sealed));
    }
    return std::move(writer).release();
}

std::vector<std::uint8_t> RecordProtection::seal(tls::ContentType type, Bytes plaintext) {
    const bool tls13 = version_ == tls::Version::tls13;
    const std::uint8_t outer = tls13 ? kApplicationData : static_cast<std::uint8_t>(type);
    std::vector<std::uint8_t> inner(plaintext.begin(), plaintext.end());
    if (tls13) {
        inner.push_back(static_cast<std::uint8_t>(type));
    }
    const std::size_t sealed_size = inner.size() + crypto::Aead::kTagSize;
    const auto sealed = aead_.seal(nonce(next_nonce_), additional(outer, inner.size(), sealed_size), inner).value();
    Writer body;
    if (has_explicit_nonce()) {
        body.be(next_nonce_);
    }
    body.raw(sealed);
    ++next_nonce_;
    ++sequence_;
    Writer record;
    record.be(outer).be(kLegacyVersion).prefixed<std::uint16_t>(body.view());
    return std::move(record).release();
}

Result<std::vector<std::uint8_t>> RecordProtection::open(Bytes record) {
    Reader reader(record);
    const auto outer = reader.be<std::uint8_t>();
    std::ignore = reader.be<std::uint16_t>();
    Reader body(reader.prefixed<std::uint16_t>());
    const std::uint64_t explicit_part = has_explicit_nonce() ? body.be<std::uint64_t>() : 0;
    const std::size_t plain = body.rest().size() - crypto::Aead::kTagSize;
    auto opened = aead_.open(nonce(explicit_part), additional(outer, plain, body.rest().size()), body.rest());
    ++sequence_;
    while (opened && version_ == tls::Version::tls13 && !opened->empty() && opened->back() == 0) {
        opened->pop_back();
    }
    return opened;
}

}  // namespace keysluice::testing
