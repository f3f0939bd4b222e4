#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.hpp"
#include "ktls/alert.hpp"
#include "ktls/types.hpp"

namespace keysluice::ktls {

/// RFC 8446 4.6.3: the type of a KeyUpdate.
inline constexpr std::uint8_t kKeyUpdate = 24;

/// RFC 8446 4.6.1, RFC 5077 3.3: a client may leave it out of account.
struct NewSessionTicket {
    bool operator==(const NewSessionTicket&) const = default;
};
/// RFC 8446 4.6.3: the peer sends under its next keys from the next record on. Always the last message of a record.
struct KeyUpdate {
    /// update_requested: this side has to change its keys too, before its next application data.
    bool requested;
    bool operator==(const KeyUpdate&) const = default;
};
/// A ClientHello or HelloRequest. TLS 1.2: answer with a no_renegotiation warning (RFC 5246 7.2.2). TLS 1.3 knows
/// neither after the handshake: unexpected_message (RFC 8446 4.1.2).
struct Renegotiation {
    bool operator==(const Renegotiation&) const = default;
};
/// Post-handshake authentication (RFC 8446 4.6.2). Never offered by this project: unexpected_message.
struct CertificateRequest {
    bool operator==(const CertificateRequest&) const = default;
};
/// Any other type.
struct OtherMessage {
    std::uint8_t type;
    bool operator==(const OtherMessage&) const = default;
};
/// The record ends inside a message; `rest()` of the iterator is what was seen of it. `missing` more bytes are known
/// to come, in the next records of type handshake and with no other type in between (RFC 8446 5.1): at most 16 MiB,
/// so bound what you keep. 4 bytes of header come first, and `type` is 0 until at least one was seen.
struct Incomplete {
    std::uint8_t type;
    std::size_t missing;
    bool operator==(const Incomplete&) const = default;
};
/// The peer broke a rule: end the connection with this alert.
struct Violation {
    AlertDescription alert;
    /// A stable reason code.
    std::string_view reason;
    std::string sentence;
    bool operator==(const Violation&) const = default;
};
using HandshakeMessage =
    std::variant<NewSessionTicket, KeyUpdate, Renegotiation, CertificateRequest, OtherMessage, Incomplete, Violation>;

/// The messages in one record of type handshake after the handshake, in their order.
///
/// Look at all of them before the next record is read: the kernel itself looks at the first message only, and does
/// not stop for a KeyUpdate behind a ticket (net/tls/tls_sw.c, tls_check_pending_rekey).
class HandshakeMessages {
   public:
    HandshakeMessages(Version version, Bytes record) : version_(version), rest_(record) {}

    /// The next message, or nothing behind the last one. Incomplete and Violation are always the last.
    ///
    /// Violations: "empty-handshake-record", "malformed-key-update", "message-after-key-update",
    /// "malformed-hello-request".
    [[nodiscard]] std::optional<HandshakeMessage> next();

    /// What has not been returned yet.
    [[nodiscard]] Bytes rest() const { return rest_; }

   private:
    [[nodiscard]] HandshakeMessage key_update(Bytes body) const;
    [[nodiscard]] HandshakeMessage understand(std::uint8_t type, Bytes body) const;

    Version version_;
    Bytes rest_;
    bool started_ = false;
    bool ended_ = false;
};

}  // namespace keysluice::ktls
