#include "ike/protection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <limits>
#include <utility>

namespace keysluice::ike {

namespace {

constexpr std::size_t kEncryptedHeader = 4;
constexpr std::size_t kFragmentHeader = 8;
constexpr std::size_t kMostFragments = 64;
constexpr std::size_t kMostReassembled = 64UL * 1024;
/// What the 16 bits of a payload's length leave for the body.
constexpr std::size_t kMostBody = 65535 - kFragmentHeader;

// ---- what a suite means for one encrypted part

struct Integrity {
    crypto::MacAlgorithm algorithm;
    std::size_t size;
};

std::optional<Integrity> integrity_of(IntegrityId id) {
    switch (id) {
        case IntegrityId::none:
            return std::nullopt;
        case IntegrityId::hmac_md5_96:
            return Integrity{crypto::MacAlgorithm::hmac_md5, 12};
        case IntegrityId::hmac_sha1_96:
            return Integrity{crypto::MacAlgorithm::hmac_sha1, 12};
        case IntegrityId::aes_xcbc_96:
            return Integrity{crypto::MacAlgorithm::aes128_xcbc, 12};
        case IntegrityId::hmac_sha2_256_128:
            return Integrity{crypto::MacAlgorithm::hmac_sha256, 16};
        case IntegrityId::hmac_sha2_384_192:
            return Integrity{crypto::MacAlgorithm::hmac_sha384, 24};
        case IntegrityId::hmac_sha2_512_256:
            return Integrity{crypto::MacAlgorithm::hmac_sha512, 32};
    }
    std::unreachable();
}

crypto::Cipher by_bits(std::uint16_t bits, crypto::Cipher of128, crypto::Cipher of192, crypto::Cipher of256) {
    assert(bits == 128 || bits == 192 || bits == 256);
    if (bits == 128) {
        return of128;
    }
    return bits == 192 ? of192 : of256;
}

crypto::Cipher cipher_of(const Encryption& encryption) {
    using crypto::Cipher;
    assert(encryption.id != EncryptionId::null);
    switch (encryption.id) {
        case EncryptionId::null:
            break;
        case EncryptionId::des3:
            return Cipher::des3_cbc;
        case EncryptionId::aes_cbc:
            return by_bits(encryption.key_bits, Cipher::aes128_cbc, Cipher::aes192_cbc, Cipher::aes256_cbc);
        case EncryptionId::aes_ctr:
            return by_bits(encryption.key_bits, Cipher::aes128_ctr, Cipher::aes192_ctr, Cipher::aes256_ctr);
        case EncryptionId::aes_ccm_16:
            return by_bits(encryption.key_bits, Cipher::aes128_ccm, Cipher::aes192_ccm, Cipher::aes256_ccm);
        case EncryptionId::aes_gcm_16:
            return by_bits(encryption.key_bits, Cipher::aes128_gcm, Cipher::aes192_gcm, Cipher::aes256_gcm);
        case EncryptionId::chacha20_poly1305:
            return Cipher::chacha20_poly1305;
    }
    std::unreachable();
}

struct Scheme {
    crypto::Cipher cipher;
    std::optional<Integrity> integrity;  ///< none with an AEAD
    std::size_t block_size;
    std::size_t iv_size;   ///< on the wire
    std::size_t icv_size;  ///< on the wire; an AEAD's tag
};

Scheme scheme_of(const IkeSuite& suite) {
    const crypto::Cipher cipher = cipher_of(suite.encryption);
    const auto integrity = integrity_of(suite.integrity);
    assert(is_aead(suite.encryption.id) != integrity.has_value());
    const std::size_t block = crypto::block_size(cipher);
    // RFC 7296 section 3.14 for CBC; 8 octets in RFC 5282 section 3.1, RFC 7634 section 3 and RFC 3686 section 3.1.
    return {cipher, integrity, block, block > 1 ? block : 8, integrity ? integrity->size : crypto::tag_size(cipher)};
}

Bytes key_in(const Scheme& scheme, const EncryptionKey& key) {
    return key.expose().first(crypto::key_size(scheme.cipher));
}

/// Salt, initialization vector and, for counter mode, a block counter that begins at one (RFC 3686 section 4).
Secret<16> nonce_of(const Scheme& scheme, const EncryptionKey& key, Bytes iv) {
    const Bytes salt = key.expose().subspan(crypto::key_size(scheme.cipher));
    Secret<16> nonce;
    const MutableBytes out = nonce.writable(crypto::nonce_size(scheme.cipher));
    assert(salt.size() + iv.size() <= out.size());
    std::ranges::copy(salt, out.begin());
    std::ranges::copy(iv, out.begin() + static_cast<std::ptrdiff_t>(salt.size()));
    if (salt.size() + iv.size() < out.size()) {
        out.back() = 1;
    }
    return nonce;
}

// ---- sealing

/// The whole message, or one fragment of it.
struct Part {
    wire::PayloadType first = wire::PayloadType::none;
    std::uint16_t number = 0;
    std::uint16_t total = 0;
    Bytes content;
};

/// RFC 7296 section 3.14: "The sender SHOULD set the Pad Length to the minimum value that makes the combination of
/// the payloads, the Padding, and the Pad Length a multiple of the block size".
std::size_t padded_size(const Scheme& scheme, std::size_t content) {
    const std::size_t block = scheme.block_size;
    return (content + 1 + block - 1) / block * block;
}

std::size_t body_size(const Scheme& scheme, std::size_t content) {
    return scheme.iv_size + padded_size(scheme, content) + scheme.icv_size;
}

Result<void> write_iv(Toolbox& tools, const Scheme& scheme, const DirectionKeys& keys, IvCounter& counter,
                      MutableBytes iv) {
    if (counter.next == std::numeric_limits<std::uint32_t>::max()) {
        return fail("ike-iv-exhausted", "this IKE SA has used all of its initialization vectors; it must be rekeyed");
    }
    Writer value;
    value.be(counter.epoch).be(counter.next++);
    std::ranges::copy(value.view(), iv.last(value.view().size()).begin());
    if (scheme.block_size == 1) {
        return {};
    }
    // RFC 7296 section 3.14: "Senders MUST select a new unpredictable IV for every message".
    static constexpr std::array<std::uint8_t, 16> kZeros{};
    return tools.ciphers.seal(scheme.cipher, key_in(scheme, keys.encryption), Bytes{kZeros}.first(iv.size()), {}, iv,
                              iv);
}

Result<wire::Octets> seal_part(Toolbox& tools, const Scheme& scheme, const DirectionKeys& keys, IvCounter& counter,
                               const wire::Header& header, const Part& part) {
    const std::size_t size = body_size(scheme, part.content.size());
    if (size > kMostBody) {
        return fail("seal-failed",
                    fmt::format("an encrypted body of {} octets, expected at most {}", size, kMostBody));
    }
    wire::Octets datagram = wire::emit_encrypted_prefix(header, part.first, part.number, part.total, size);
    const std::size_t prefix = datagram.size();
    datagram.resize(prefix + size);
    const MutableBytes body = MutableBytes{datagram}.subspan(prefix);
    const MutableBytes iv = body.first(scheme.iv_size);
    const std::size_t padded = padded_size(scheme, part.content.size());
    const MutableBytes plaintext = body.subspan(scheme.iv_size, padded);
    std::ranges::copy(part.content, plaintext.begin());
    plaintext.back() = static_cast<std::uint8_t>(padded - part.content.size() - 1);

    if (auto written = write_iv(tools, scheme, keys, counter, iv); !written) {
        return pass_on(std::move(written));
    }
    const Secret<16> nonce = nonce_of(scheme, keys.encryption, iv);
    const Bytes associated = scheme.integrity ? Bytes{} : Bytes{datagram}.first(prefix);
    const MutableBytes sealed = scheme.integrity ? plaintext : body.subspan(scheme.iv_size);
    if (auto done = tools.ciphers.seal(scheme.cipher, key_in(scheme, keys.encryption), nonce.expose(), associated,
                                       plaintext, sealed);
        !done) {
        return pass_on(std::move(done));
    }
    if (scheme.integrity) {
        // RFC 7296 section 3.14: "the cryptographic checksum of the entire message starting with the Fixed IKE header
        // through the Pad Length. The checksum MUST be computed over the encrypted message."
        const Bytes covered = Bytes{datagram}.first(datagram.size() - scheme.icv_size);
        if (auto done = tools.macs.compute(scheme.integrity->algorithm, keys.integrity->expose(), std::array{covered},
                                           body.last(scheme.icv_size));
            !done) {
            return pass_on(std::move(done));
        }
    }
    return datagram;
}

/// Octets of content that one fragment takes; 0 where the datagram has no room for any.
std::size_t fragment_content(const Scheme& scheme, std::size_t datagram_size) {
    const std::size_t overhead = wire::kHeaderSize + kFragmentHeader + scheme.iv_size + scheme.icv_size;
    const std::size_t room = datagram_size > overhead ? datagram_size - overhead : 0;
    const std::size_t blocks = room - (room % scheme.block_size);
    return blocks > 0 ? blocks - 1 : 0;
}

}  // namespace

Result<std::vector<wire::Octets>> seal_message(Toolbox& tools, const IkeSuite& suite, const DirectionKeys& keys,
                                               IvCounter& counter, const wire::Header& header,
                                               const std::vector<wire::Payload>& payloads,
                                               const Fragmentation& fragmentation) {
    const Scheme scheme = scheme_of(suite);
    const wire::EmittedPayloads inner = wire::emit_payloads(payloads);
    const std::size_t whole = wire::kHeaderSize + kEncryptedHeader + body_size(scheme, inner.bytes.size());
    const bool fragments = fragmentation.allowed && whole > fragmentation.datagram_size;
    const std::size_t most = fragments ? fragment_content(scheme, fragmentation.datagram_size) : inner.bytes.size();
    const std::size_t total = fragments && most > 0 ? (inner.bytes.size() + most - 1) / most : 1;
    if ((fragments && most == 0) || total > kMostFragments) {
        return fail("seal-failed", fmt::format("a message of {} octets does not go into {} datagrams of {}", whole,
                                               kMostFragments, fragmentation.datagram_size));
    }
    std::vector<wire::Octets> datagrams;
    for (std::size_t index = 0; index < total; ++index) {
        const Bytes rest = Bytes{inner.bytes}.subspan(index * most);
        // RFC 7383 section 2.5: "in the very first fragment (with Fragment Number equal to 1), this field MUST be set
        // to the payload type of the first inner payload". "In the rest of the Fragment messages (with Fragment
        // Number greater than 1), this field MUST be set to zero."
        const Part part{index == 0 ? inner.first : wire::PayloadType::none,
                        static_cast<std::uint16_t>(fragments ? index + 1 : 0),
                        static_cast<std::uint16_t>(fragments ? total : 0), rest.first(std::min(most, rest.size()))};
        auto datagram = seal_part(tools, scheme, keys, counter, header, part);
        if (!datagram) {
            return pass_on(std::move(datagram));
        }
        datagrams.push_back(std::move(*datagram));
    }
    return datagrams;
}

// ---- opening

namespace {

std::unexpected<Error> bad_icv() {
    return fail("ike-bad-icv", "the integrity check value does not fit: wrong keys or changed octets");
}

/// RFC 7296 section 3.14: "the recipient MUST accept any length that results in proper alignment".
Result<wire::Octets> without_padding(wire::Octets plaintext) {
    const std::size_t padding = plaintext.back();
    if (padding >= plaintext.size()) {
        return fail("ike-malformed",
                    fmt::format("Pad Length {} in a plaintext of {} octets", padding, plaintext.size()));
    }
    plaintext.resize(plaintext.size() - padding - 1);
    return plaintext;
}

}  // namespace

Result<wire::Octets> open_part(Toolbox& tools, const IkeSuite& suite, const DirectionKeys& keys,
                               const wire::EncryptedPart& part) {
    const Scheme scheme = scheme_of(suite);
    const std::size_t overhead = scheme.iv_size + scheme.icv_size;
    if (part.body.size() <= overhead || (part.body.size() - overhead) % scheme.block_size != 0) {
        return fail("ike-malformed", fmt::format("an encrypted body of {} octets, expected {} and whole blocks of {}",
                                                 part.body.size(), overhead, scheme.block_size));
    }
    const Bytes iv = part.body.first(scheme.iv_size);
    const Bytes sealed = part.body.subspan(scheme.iv_size);
    const Bytes ciphertext = sealed.first(sealed.size() - scheme.icv_size);
    if (scheme.integrity) {
        const std::array covered{part.associated_data, iv, ciphertext};
        auto fits = tools.macs.verify(scheme.integrity->algorithm, keys.integrity->expose(), covered,
                                      sealed.last(scheme.icv_size));
        if (!fits) {
            return pass_on(std::move(fits));
        }
        if (!*fits) {
            return bad_icv();
        }
    }
    wire::Octets plaintext(ciphertext.size());
    const Secret<16> nonce = nonce_of(scheme, keys.encryption, iv);
    auto opened = tools.ciphers.open(scheme.cipher, key_in(scheme, keys.encryption), nonce.expose(),
                                     scheme.integrity ? Bytes{} : part.associated_data,
                                     scheme.integrity ? ciphertext : sealed, plaintext);
    if (!opened) {
        return opened.error().reason == "bad-tag" ? bad_icv() : pass_on(std::move(opened));
    }
    return without_padding(std::move(plaintext));
}

// ---- reassembly

std::optional<Reassembly::Whole> Reassembly::add(MessageId id, const wire::EncryptedPart& part,
                                                 wire::Octets plaintext) {
    const std::size_t number = part.fragment_number;
    const std::size_t total = part.total_fragments;
    if (number == 0 || number > total || total > kMostFragments) {
        return std::nullopt;
    }
    // RFC 7383 section 2.6: with a greater total "the receiver MUST discard all received fragments and start the
    // reassembly process over with just the received IKE Fragment message."
    if (fragments_.empty() || id != id_ || total > fragments_.size()) {
        clear();
        id_ = id;
        fragments_.resize(total);
    }
    if (total < fragments_.size() || present_.test(number - 1)) {
        return std::nullopt;
    }
    size_ += plaintext.size();
    if (size_ > kMostReassembled) {
        clear();
        return std::nullopt;
    }
    present_.set(number - 1);
    fragments_.at(number - 1) = std::move(plaintext);
    if (number == 1) {
        first_ = part.first_inner;
    }
    if (present_.count() < total) {
        return std::nullopt;
    }
    Whole whole{first_, {}};
    whole.plaintext.reserve(size_);
    for (const wire::Octets& fragment : fragments_) {
        whole.plaintext.insert(whole.plaintext.end(), fragment.begin(), fragment.end());
    }
    clear();
    return whole;
}

void Reassembly::clear() {
    *this = Reassembly{};
}

}  // namespace keysluice::ike
