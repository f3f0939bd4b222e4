#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace keysluice::tls {

/// The content types that a record on the wire may name (RFC 8446 section 5.1, RFC 5246 section 6.2.1).
enum class ContentType : std::uint8_t { change_cipher_spec = 20, alert = 21, handshake = 22, application_data = 23 };

constexpr std::size_t kRecordHeaderSize = 5;

/// RFC 8446 5.2: "The length MUST NOT exceed 2^14 + 256 bytes." RFC 5246 6.2.3 allows 2^14 + 2048, which its CBC
/// suites can use up; the AEAD suites, the only ones spoken here, add 24 bytes, so one limit serves both versions.
constexpr std::size_t kMaxCiphertext = (1U << 14U) + 256;

struct RecordHeader {
    ContentType type;
    /// RFC 8446 5.1: "MUST be ignored for all purposes"; kept for whoever prints records.
    std::uint16_t legacy_version;
    std::size_t length;  ///< bytes behind the header
};

/// Fails with "plain-http" (an HTTP request came), "not-tls" or "record-overflow".
Result<RecordHeader> parse_record_header(std::span<const std::uint8_t, kRecordHeaderSize> header);

/// Cuts a byte stream into records, without ever asking for a byte of the next one: what it has not asked for is
/// still in the socket when the kernel takes over.
///
/// Read into `want()`, tell `got()` how much came; once that says true, `record()` is a whole record, and `next()`
/// goes on. It holds no heap before a record's first five bytes have come nor after `next()`, and grows with what
/// has come, not with what a header promises, so that a silent or slow peer costs next to nothing.
class RecordReader {
   public:
    /// Where the next bytes go. Never empty unless a record is complete.
    [[nodiscard]] MutableBytes want();
    /// Takes note of `count` bytes in `want()`; true once the record is complete. After a failure the stream can't
    /// be followed any more. `record()` then is the header that failed: fed to a session, it makes OpenSSL answer
    /// with the proper alert.
    Result<bool> got(std::size_t count);
    /// What has come of the record so far, header included.
    [[nodiscard]] Bytes record() const;
    /// Forgets the record and gives its memory back.
    void next();

   private:
    std::array<std::uint8_t, kRecordHeaderSize> header_{};
    std::vector<std::uint8_t> buffer_;  ///< the record, header included, from the moment its header is complete
    std::size_t filled_ = 0;
    std::size_t total_ = kRecordHeaderSize;
};

}  // namespace keysluice::tls
