#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <type_traits>

#include "base/bytes.hpp"
#include "base/secret_buffer.hpp"
#include "netlink/attribute.hpp"

namespace keysluice::netlink {

/// The bytes of a structure as the kernel sees them.
template <typename Struct>
    requires std::is_trivially_copyable_v<Struct>
[[nodiscard]] Bytes bytes_of(const Struct& value) {
    return {reinterpret_cast<const std::uint8_t*>(&value), sizeof(value)};
}

/// A message to the kernel: header, a structure, attributes. It may carry keys, so it is wiped when it dies.
///
/// The header's length is right at every moment. Flags and sequence number are set by the socket that sends it.
class Request {
   public:
    explicit Request(std::uint16_t type) {
        const nlmsghdr header{
            .nlmsg_len = sizeof(nlmsghdr), .nlmsg_type = type, .nlmsg_flags = 0, .nlmsg_seq = 0, .nlmsg_pid = 0};
        append(bytes_of(header));
    }

    /// What follows the header.
    template <typename Struct>
    Request& structure(const Struct& value) {
        append(bytes_of(value));
        return pad();
    }

    /// `tail` lies right behind `payload`: the key behind the structure that describes it.
    Request& attribute(std::uint16_t type, Bytes payload, Bytes tail = {}) {
        const nlattr header{.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + payload.size() + tail.size()),
                            .nla_type = type};
        append(bytes_of(header));
        append(payload);
        append(tail);
        return pad();
    }
    template <typename Struct>
        requires std::is_trivially_copyable_v<Struct>
    Request& attribute_of(std::uint16_t type, const Struct& value) {
        return attribute(type, bytes_of(value));
    }

    [[nodiscard]] Bytes view() const { return bytes_; }
    /// The length is the request's own business; flags and sequence number are the socket's.
    [[nodiscard]] nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(bytes_.data()); }

   private:
    void append(Bytes bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
    Request& pad() {
        bytes_.resize(aligned(bytes_.size()));
        header().nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
        return *this;
    }

    SecretBuffer bytes_;
};

}  // namespace keysluice::netlink
