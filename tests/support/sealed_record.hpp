#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.hpp"
#include "ktls/keys.hpp"
#include "ktls/types.hpp"

namespace keysluice::test {

using RecordBytes = std::vector<std::uint8_t>;

/// One direction's keys in a test: any bytes, the same on both sides.
struct TestKeys {
    ktls::Version version;
    ktls::Cipher cipher;
    /// Both of the length that the kernel's keys need (ktls::key_size, ktls::iv_size).
    std::vector<std::uint8_t> key;
    std::vector<std::uint8_t> iv;

    /// Bytes counting up from `seed`, so that two directions get different keys.
    [[nodiscard]] static TestKeys make(ktls::Version version, ktls::Cipher cipher, std::uint8_t seed);

    /// Of TLS 1.3, as a traffic secret gives them.
    [[nodiscard]] static TestKeys from(ktls::Cipher cipher, const ktls::TrafficSecret& secret);

    template <typename Direction>
    [[nodiscard]] ktls::Keys<Direction> for_kernel(std::uint64_t sequence = 0) const {
        return ktls::Keys<Direction>::make(version, cipher,
                                           {.key = key, .iv = iv, .explicit_nonce = sequence, .sequence = sequence})
            .value();
    }
};

/// The sender that the kernel can't be: it seals what no decent peer sends. Counts its own sequence number.
class RecordSealer {
   public:
    explicit RecordSealer(TestKeys keys, std::uint64_t sequence = 0) : keys_(std::move(keys)), sequence_(sequence) {}

    /// One record, ready for the wire: any (inner) type, an empty payload too. A handshake record of several messages
    /// is their concatenation. `padding` zeros are added where the version is TLS 1.3.
    [[nodiscard]] RecordBytes seal(ktls::ContentType type, Bytes payload, std::size_t padding = 0);

    /// The same, but its last byte is wrong.
    [[nodiscard]] RecordBytes seal_with_bad_mac(ktls::ContentType type, Bytes payload);

    [[nodiscard]] std::uint64_t sequence() const { return sequence_; }

   private:
    TestKeys keys_;
    std::uint64_t sequence_;
};

/// Eight bytes that are no TLS record: the start of an HTTP request.
[[nodiscard]] RecordBytes garbage_header();

/// A header that announces more than a record may hold (RFC 8446 5.2).
[[nodiscard]] RecordBytes oversized_header();

}  // namespace keysluice::test
