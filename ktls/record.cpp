#include "ktls/record.hpp"

#include <fmt/format.h>
#include <linux/tls.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

namespace keysluice::ktls {
namespace {

/// Room for the one control message that carries a record's type.
struct TypeMessage {
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(std::uint8_t))> room{};
};

std::optional<ContentType> type_in(msghdr& message) {
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_level != SOL_TLS || header->cmsg_type != TLS_GET_RECORD_TYPE) {
        return std::nullopt;
    }
    return ContentType{*CMSG_DATA(header)};
}

std::unexpected<Error> receive_failure(int error) {
    switch (error) {
        case EBADMSG:
            return fail("bad-record-mac", "the peer sent a record that does not decrypt");
        case EINVAL:
        case EMSGSIZE:
            return fail("bad-record", "the peer sent something that is not a TLS record of its version and size");
        case EKEYEXPIRED:
            return fail("rekey-pending", "the peer has changed its keys, and the kernel waits for the new ones");
        case ECONNRESET:
        case EPIPE:
        case ETIMEDOUT:
        case ENETUNREACH:
        case EHOSTUNREACH:
            return fail("connection-reset",
                        fmt::format("the connection to the peer broke: {}", std::strerror(error)));
        default:
            return fail("record-receive-failed", fmt::format("receiving a record: {}", std::strerror(error)));
    }
}

Result<Record> nothing_there(Splice before) {
    switch (before) {
        case Splice::none:
            return WouldBlock{};
        case Splice::returned_zero:
            return EmptyRecord{};
        case Splice::said_einval:
            return receive_failure(EINVAL);
    }
    return WouldBlock{};
}

Record classify(std::size_t size, std::optional<ContentType> type) {
    if (size == 0 && !type) {
        return EndOfStream{};
    }
    // Without a type the bytes came before the keys for receiving: the kernel passes them through as data.
    if (!type || *type == ContentType::application_data) {
        return size == 0 ? Record{EmptyRecord{}} : Record{Data{size}};
    }
    return Control{*type, size};
}

Result<Record> receive(int fd, MutableBytes buffer, Splice before, int flags) {
    TypeMessage type_message;
    iovec bytes{.iov_base = buffer.data(), .iov_len = buffer.size()};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = type_message.room.data();
    message.msg_controllen = type_message.room.size();
    ssize_t size = 0;
    do {
        size = ::recvmsg(fd, &message, flags | MSG_DONTWAIT);
    } while (size < 0 && errno == EINTR);
    if (size >= 0) {
        return classify(static_cast<std::size_t>(size), type_in(message));
    }
    if (errno == EAGAIN) {
        return nothing_there(before);
    }
    return receive_failure(errno);
}

}  // namespace

Result<Sent> send_control(int fd, ContentType type, Bytes payload) {
    TypeMessage type_message;
    // sendmsg() only reads from it; the structure serves both directions and so is not const.
    iovec bytes{.iov_base = const_cast<std::uint8_t*>(payload.data()), .iov_len = payload.size()};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = type_message.room.data();
    message.msg_controllen = type_message.room.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_TLS;
    header->cmsg_type = TLS_SET_RECORD_TYPE;
    header->cmsg_len = CMSG_LEN(sizeof(std::uint8_t));
    *CMSG_DATA(header) = static_cast<std::uint8_t>(type);
    ssize_t size = 0;
    do {
        size = ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (size < 0 && errno == EINTR);
    if (size >= 0) {
        return Sent::yes;
    }
    if (errno == EAGAIN) {
        return Sent::would_block;
    }
    if (errno == ECONNRESET || errno == EPIPE) {
        return fail("connection-reset", fmt::format("the connection to the peer broke: {}", std::strerror(errno)));
    }
    return fail("record-send-failed", fmt::format("sending a record of type {}: {}", static_cast<unsigned int>(type),
                                                  std::strerror(errno)));
}

Result<Record> receive_record(int fd, MutableBytes buffer, Splice before) {
    return receive(fd, buffer, before, 0);
}

Result<Record> peek_record(int fd, MutableBytes buffer, Splice before) {
    return receive(fd, buffer, before, MSG_PEEK);
}

}  // namespace keysluice::ktls
