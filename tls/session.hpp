#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/instant.hpp"
#include "base/key_use.hpp"
#include "base/result.hpp"
#include "tls/context.hpp"
#include "tls/key_schedule.hpp"
#include "tls/observations.hpp"
#include "tls/openssl.hpp"
#include "tls/sent_records.hpp"
#include "tls/types.hpp"
#include "tls/wire.hpp"

namespace keysluice::tls {

/// What was agreed on, for status and logs. Nothing in it is secret.
struct Summary {
    Version version = Version::tls13;
    Cipher cipher = Cipher::other;
    std::string cipher_suite;      ///< "TLS_AES_128_GCM_SHA256", the standard name
    std::string openssl_suite;     ///< the same as OpenSSL calls it, "ECDHE-RSA-AES128-GCM-SHA256"
    std::string server_name;       ///< SNI; empty when none was sent
    std::string alpn;              ///< the protocol that was agreed on; empty: none
    bool peer_certified = false;   ///< the peer has shown a certificate
    std::string peer_certificate;  ///< its subject, which may be empty
    std::string peer_common_name;  ///< the first one in that; empty where there is none
    bool resumed = false;          ///< an earlier session goes on
};

/// For a client that may resume a session.
struct ClientStart {
    std::string server{};                          ///< whoever has the same name gets the same tickets
    Instant now{};                                 ///< for the lifetime of sessions
    std::chrono::system_clock::time_point time{};  ///< for certificates
};

enum class Read {
    data,       ///< plaintext was delivered
    want_more,  ///< all that was received is used up
    closed,     ///< the peer said close_notify; a connection that ends without it was cut off
};

struct ReadOutcome {
    Read what = Read::want_more;
    std::size_t count = 0;  ///< bytes of plaintext

    bool operator==(const ReadOutcome&) const = default;
};

/// One TLS connection, without any socket: bytes in, bytes out, and the keys at the end.
///
/// First the handshake: feed() whole records, send output(), until established(). Then either export_keys(), after
/// which the kernel carries the connection and this object goes, or receive(), read() and write(): the record layer
/// in userspace. Never both: a key that two record layers write with is a key given away. (Keys that were exported
/// but not installed, because the kernel refused them, may still be used here.)
///
/// When anything fails, output() may hold the alert for the peer: send it, then close.
class Session {
   public:
    /// `now` is only for the lifetime of sessions that are resumed, `time_of_day` for that of OCSP responses.
    static Result<std::unique_ptr<Session>> accept(const Context& context, Instant now = {},
                                                   std::chrono::system_clock::time_point time_of_day = {});
    /// output() then holds the ClientHello.
    static Result<std::unique_ptr<Session>> connect(const Context& context, const ClientStart& start = {});

    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session();

    /// Takes exactly one record of the handshake. Reasons: those of take_failure(), no-extended-master-secret,
    /// peer-not-welcome, handshake-failed, not-one-record.
    Result<void> feed(Bytes record);
    [[nodiscard]] bool established() const { return seen_.established; }

    /// Bytes to put on the wire; valid until the next call that is not const.
    [[nodiscard]] Bytes output() const { return wire_.output(); }
    void sent(std::size_t count) { wire_.sent(count); }

    /// Once established.
    [[nodiscard]] Summary summary() const;
    [[nodiscard]] Version version() const;
    /// The peer's certificate in DER; empty where it has shown none.
    [[nodiscard]] std::vector<std::uint8_t> peer_certificate() const;
    /// Why the kernel can't carry this connection, whatever it supports: "cipher-not-in-kernel",
    /// "max-fragment-length" (RFC 6066 section 4: the kernel writes records of 2^14 bytes) or "plaintext-pending".
    [[nodiscard]] std::optional<std::string_view> kernel_obstacle() const;
    /// For the next record of each direction. Fails with "keys-unavailable" unless established, everything is sent,
    /// kernel_obstacle() knows of none, and the context was told that keys are to be exported.
    Result<SessionKeys> export_keys();

    /// Whether late_ticket() would be of use: a client's, under TLS 1.3, of which the context keeps no other yet.
    [[nodiscard]] bool wants_ticket() const;
    /// A client's, whose context keeps sessions, when the kernel has its keys already: a NewSessionTicket that came
    /// there (RFC 8446 section 4.6.1), header included. Reasons: those of read(), "keys-unavailable".
    Result<void> late_ticket(Bytes message);

    /// Any number of bytes from the peer. They are not copied: keep them until read() says want_more or closed.
    void receive(Bytes ciphertext);
    /// Reasons: those of take_failure(), key-update-flood, record-layer-failed.
    Result<ReadOutcome> read(MutableBytes into);
    Result<void> write(Bytes plaintext);
    /// What read() and write() have had under the keys in force.
    [[nodiscard]] const KeyUse& key_use() const { return seen_.keys; }
    /// Changes our keys, and `asking` the peer to change its own: output() has the KeyUpdate. Where an answer to the
    /// peer is due, which OpenSSL sends in front of our next data otherwise, this is it, and asks for nothing. For
    /// TLS 1.3, before close_notify(). OpenSSL itself minds no limit (openssl #23566). Reason: record-layer-failed.
    Result<void> change_keys(bool asking);
    /// Ends our direction; the peer's stays open. A second time does nothing.
    Result<void> close_notify();

   private:
    Session(const Context& context, Role role);
    Error failure(std::string_view fallback);
    Result<SessionKeys> export_tls12(const SSL_CIPHER& suite) const;

    Role role_;
    bool record_layer_used_ = false;
    std::uint64_t late_tickets_ = 0;
    Wire wire_;
    Observations seen_;
    SentRecords sent_records_;
    SslPtr ssl_;  ///< refers to the wire and the observations, so it goes first
};

}  // namespace keysluice::tls
