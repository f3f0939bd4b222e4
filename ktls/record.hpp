#pragma once

#include <cstddef>
#include <variant>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "ktls/types.hpp"

namespace keysluice::ktls {

enum class Sent { yes, would_block };

/// Sends one record of another type than application data, whole or not at all; never blocks.
///
/// `yes` says that the kernel has it: on a connection that is already broken, too. Reading tells of that.
/// On would_block nothing was queued and the sequence number is unchanged: try again when the socket is writable.
/// At most 16384 bytes. Reasons: "connection-reset", "record-send-failed" (also after a receive error
/// "bad-record-mac", which stops both directions).
[[nodiscard]] Result<Sent> send_control(int fd, ContentType type, Bytes payload);

/// Application data of at least one byte; the kernel merges consecutive records.
struct Data {
    std::size_t size;
    bool operator==(const Data&) const = default;
};
/// A record, or a part of one, of another type. Its size is 0 where the peer sent an empty one.
struct Control {
    ContentType type;
    std::size_t size;
    bool operator==(const Control&) const = default;
};
/// An empty record of application data went by, and nothing else: read on. Count them, a peer can send a flood.
struct EmptyRecord {
    bool operator==(const EmptyRecord&) const = default;
};
struct WouldBlock {
    bool operator==(const WouldBlock&) const = default;
};
/// The peer's FIN. It is a truncation unless a close_notify alert came before.
struct EndOfStream {
    bool operator==(const EndOfStream&) const = default;
};
using Record = std::variant<Data, Control, EmptyRecord, WouldBlock, EndOfStream>;

/// What splice(2) from the socket said just before. It answers several things in the same way, and it uses up what
/// would tell them apart, so that the next recvmsg(2) is only understood together with it.
enum class Splice {
    /// No splice, or one whose answer needs no explanation.
    none,
    /// 0: the end of the stream, or an empty record of application data.
    returned_zero,
    /// EINVAL: a control record waits, or the last header was garbage and the kernel has stopped reading for ever.
    said_einval,
};

/// Reads the next record with room for its type (TLS_GET_RECORD_TYPE); never blocks, never mixes two types.
///
/// After splice() said EINVAL or returned 0, this decides:
///
/// | recvmsg says            | none           | returned_zero  | said_einval        |
/// |-------------------------|----------------|----------------|--------------------|
/// | n bytes, type 23        | Data           | Data           | Data               |
/// | n bytes, other type     | Control        | Control        | Control            |
/// | 0 with a type           | EmptyRecord or Control of size 0, by the type    |||
/// | 0 without a type        | EndOfStream    | EndOfStream    | EndOfStream        |
/// | EAGAIN                  | WouldBlock     | EmptyRecord    | fail("bad-record") |
///
/// Give room for 16 KiB: of a larger control record the rest comes with the next call, with the same type.
/// Reasons of failure, all of them final for the connection except the last:
/// - "bad-record-mac" (EBADMSG): the record does not decrypt. The kernel refuses to send from now on, an alert too.
/// - "bad-record" (EINVAL, EMSGSIZE): a header that is no TLS record or is too long. An alert can still be sent:
///   unexpected_message, record_overflow or protocol_version. It is reported once; later reads wait for ever.
/// - "connection-reset" (ECONNRESET, EPIPE, ETIMEDOUT, …), "record-receive-failed".
/// - "rekey-pending" (EKEYEXPIRED, Linux 6.14): the peer has changed its keys; install the new ones for Rx.
[[nodiscard]] Result<Record> receive_record(int fd, MutableBytes buffer, Splice before = Splice::none);

/// The same, but the record stays where it is, for the next receive_record() or splice(). So a byte of room is enough
/// to learn what comes next without taking data out of the kernel.
[[nodiscard]] Result<Record> peek_record(int fd, MutableBytes buffer, Splice before = Splice::none);

}  // namespace keysluice::ktls
