#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "tests/bench/tls_client.hpp"

namespace keysluice::bench {

/// What the client asks of the transfer backend, in its first 9 bytes: one letter, then the length, big endian.
enum class Direction : std::uint8_t { Upload = 'U', Download = 'D' };

inline constexpr std::size_t kHeaderSize = 9;
inline constexpr std::size_t kDigestSize = 32;
inline constexpr std::size_t kChunkSize = 65536;
using Digest = std::array<std::uint8_t, kDigestSize>;
using Chunk = std::array<std::uint8_t, kChunkSize>;

/// A payload in which no two aligned 8-byte words are equal, so that a lost or doubled piece changes the digest, and
/// the SHA-256 of what went through it so far.
class Payload {
   public:
    Payload() : hash_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(hash_.get(), EVP_sha256(), nullptr); }

    /// Fills `chunk` (whole words) with the pattern's next bytes and adds them to the digest.
    void generate(MutableBytes chunk) {
        for (std::size_t at = 0; at + sizeof(std::uint64_t) <= chunk.size(); at += sizeof(std::uint64_t)) {
            const std::uint64_t word = ++counter_ * 0x9E3779B97F4A7C15U;  // odd, so the product never repeats
            std::memcpy(&chunk[at], &word, sizeof word);
        }
        add(chunk);
    }
    void add(Bytes chunk) { EVP_DigestUpdate(hash_.get(), chunk.data(), chunk.size()); }
    [[nodiscard]] Digest digest() {
        Digest digest{};
        EVP_DigestFinal_ex(hash_.get(), digest.data(), nullptr);
        return digest;
    }

   private:
    std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>> hash_;
    std::uint64_t counter_ = 0;
};

/// Writes `length` bytes of pattern with `write_all(Bytes) -> Result<void>`; returns their digest.
template <typename WriteAll>
[[nodiscard]] Result<Digest> send_payload(std::uint64_t length, WriteAll write_all) {
    Payload payload;
    auto chunk = std::make_unique<Chunk>();
    while (length > 0) {
        const MutableBytes part = MutableBytes(*chunk).first(std::min<std::uint64_t>(length, kChunkSize));
        payload.generate(part);
        if (Result<void> written = write_all(Bytes(part)); !written) {
            return pass_on(std::move(written));
        }
        length -= part.size();
    }
    return payload.digest();
}

/// Reads exactly `length` bytes with `read_some(MutableBytes) -> Result<size_t>`; returns their digest.
template <typename ReadSome>
[[nodiscard]] Result<Digest> receive_payload(std::uint64_t length, ReadSome read_some) {
    Payload payload;
    auto chunk = std::make_unique<Chunk>();
    while (length > 0) {
        const Result<std::size_t> got =
            read_some(MutableBytes(*chunk).first(std::min<std::uint64_t>(length, kChunkSize)));
        if (!got) {
            return std::unexpected(got.error());
        }
        payload.add(Bytes(*chunk).first(*got));
        length -= *got;
    }
    return payload.digest();
}

/// Fills `target` completely with `read_some`.
template <typename ReadSome>
[[nodiscard]] Result<void> receive_exactly(MutableBytes target, ReadSome read_some) {
    while (!target.empty()) {
        const Result<std::size_t> got = read_some(target);
        if (!got) {
            return std::unexpected(got.error());
        }
        target = target.subspan(*got);
    }
    return {};
}

}  // namespace keysluice::bench
