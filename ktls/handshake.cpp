#include "ktls/handshake.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace keysluice::ktls {
namespace {

// RFC 8446 4, RFC 5246 7.4.
constexpr std::uint8_t kHelloRequest = 0;
constexpr std::uint8_t kClientHello = 1;
constexpr std::uint8_t kNewSessionTicket = 4;
constexpr std::uint8_t kCertificateRequest = 13;

constexpr std::size_t kHeaderSize = 4;

std::size_t body_size(Bytes header) {
    Reader reader{header.subspan(1)};
    const auto high = reader.be<std::uint8_t>();
    return (std::size_t{high} << 16U) | reader.be<std::uint16_t>();
}

}  // namespace

std::optional<HandshakeMessage> HandshakeMessages::next() {
    if (ended_ || (started_ && rest_.empty())) {
        return std::nullopt;
    }
    if (rest_.empty()) {
        // RFC 8446 5.4: "Implementations MUST NOT send Handshake and Alert records that have a zero-length
        // TLSInnerPlaintext.content; if such a message is received, the receiving implementation MUST terminate the
        // connection with an "unexpected_message" alert."
        ended_ = true;
        return Violation{AlertDescription::unexpected_message, "empty-handshake-record",
                         "the peer sent an empty handshake record"};
    }
    started_ = true;
    const std::size_t size = rest_.size() < kHeaderSize ? kHeaderSize : kHeaderSize + body_size(rest_);
    if (rest_.size() < size) {
        ended_ = true;
        return Incomplete{rest_.front(), size - rest_.size()};
    }
    const std::uint8_t type = rest_.front();
    const Bytes body = rest_.subspan(kHeaderSize, size - kHeaderSize);
    rest_ = rest_.subspan(size);
    HandshakeMessage message = understand(type, body);
    ended_ = std::holds_alternative<Violation>(message);
    return message;
}

HandshakeMessage HandshakeMessages::key_update(Bytes body) const {
    // RFC 8446 4.6.3: "If an implementation receives any other value, it MUST terminate the connection with an
    // "illegal_parameter" alert."
    if (body.size() != 1 || body.front() > 1) {
        const auto alert = body.size() != 1 ? AlertDescription::decode_error : AlertDescription::illegal_parameter;
        return Violation{alert, "malformed-key-update",
                         body.size() != 1
                             ? fmt::format("the peer sent a KeyUpdate of {} bytes, expected 1", body.size())
                             : fmt::format("the peer sent a KeyUpdate of value {}, expected 0 or 1", body.front())};
    }
    // RFC 8446 5.1: "Handshake messages MUST NOT span key changes. Implementations MUST verify that all messages
    // immediately preceding a key change align with a record boundary; if not, then they MUST terminate the
    // connection with an "unexpected_message" alert."
    if (!rest_.empty()) {
        return Violation{AlertDescription::unexpected_message, "message-after-key-update",
                         fmt::format("the peer sent {} bytes behind a KeyUpdate in the same record", rest_.size())};
    }
    return KeyUpdate{body.front() == 1};
}

HandshakeMessage HandshakeMessages::understand(std::uint8_t type, Bytes body) const {
    switch (type) {
        case kNewSessionTicket:
            return NewSessionTicket{};
        case kKeyUpdate:
            return version_ == Version::tls13 ? key_update(body) : HandshakeMessage{OtherMessage{type}};
        case kHelloRequest:
            if (!body.empty()) {
                return Violation{AlertDescription::decode_error, "malformed-hello-request",
                                 fmt::format("the peer sent a HelloRequest of {} bytes, expected 0", body.size())};
            }
            return Renegotiation{};
        case kClientHello:
            return Renegotiation{};
        case kCertificateRequest:
            return CertificateRequest{};
        default:
            return OtherMessage{type};
    }
}

}  // namespace keysluice::ktls
