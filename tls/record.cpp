#include "tls/record.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace keysluice::tls {

namespace {

/// How far memory runs ahead of the bytes that came. Most handshake records fit into one step.
constexpr std::size_t kGrowth = 4096;

bool opens_http(std::string_view text) {
    // The first five bytes of a request line, and of HTTP/2's connection preface.
    static constexpr std::array<std::string_view, 10> kMethods{"GET /", "HEAD ", "POST ", "PUT /", "DELET",
                                                               "CONNE", "OPTIO", "TRACE", "PATCH", "PRI *"};
    return std::ranges::find(kMethods, text) != kMethods.end();
}

}  // namespace

Result<RecordHeader> parse_record_header(std::span<const std::uint8_t, kRecordHeaderSize> header) {
    Reader reader(header);
    const auto type = reader.be<std::uint8_t>();
    const auto version = reader.be<std::uint16_t>();
    const auto length = reader.be<std::uint16_t>();
    if (opens_http(as_text(header))) {
        return fail("plain-http", "the peer spoke plain HTTP to a TLS port; it should use https://");
    }
    const bool known_type = type >= static_cast<std::uint8_t>(ContentType::change_cipher_spec) &&
                            type <= static_cast<std::uint8_t>(ContentType::application_data);
    // Every version from SSL 3.0 to TLS 1.3 has the major number 3 on the wire.
    if (!known_type || (version >> 8U) != 3) {
        return fail("not-tls",
                    "the peer does not speak TLS: a record starts with a type of 20 to 23 and version 3.x, "
                    "came type " +
                        std::to_string(type) + " and version " + std::to_string(version >> 8U) + "." +
                        std::to_string(version & 0xffU));
    }
    if (length > kMaxCiphertext) {
        // RFC 8446 5.2: "An endpoint that receives a record that exceeds this length MUST terminate the connection
        // with a "record_overflow" alert."
        return fail("record-overflow", "the peer announced a record of " + std::to_string(length) +
                                           " bytes, at most " + std::to_string(kMaxCiphertext) + " are allowed");
    }
    return RecordHeader{static_cast<ContentType>(type), version, length};
}

MutableBytes RecordReader::want() {
    if (filled_ < kRecordHeaderSize) {
        return MutableBytes(header_).subspan(filled_);
    }
    buffer_.resize(std::min(total_, filled_ + kGrowth));
    return MutableBytes(buffer_).subspan(filled_);
}

Result<bool> RecordReader::got(std::size_t count) {
    const bool header_was_open = filled_ < kRecordHeaderSize;
    filled_ += count;
    if (header_was_open && filled_ == kRecordHeaderSize) {
        const auto header = parse_record_header(header_);
        if (!header) {
            return std::unexpected(header.error());
        }
        total_ = kRecordHeaderSize + header->length;
        buffer_.reserve(std::min(total_, kRecordHeaderSize + kGrowth));
        buffer_.assign(header_.begin(), header_.end());
    }
    return filled_ == total_;
}

Bytes RecordReader::record() const {
    return filled_ <= kRecordHeaderSize ? Bytes(header_).first(filled_) : Bytes(buffer_).first(filled_);
}

void RecordReader::next() {
    *this = RecordReader();
}

}  // namespace keysluice::tls
