#pragma once

#include <optional>

#include "base/result.hpp"
#include "netlink/event_reader.hpp"

namespace keysluice::netlink {

/// An address of this host has come or gone, or messages about that were lost: look which there are.
struct AddressChange {
    bool operator==(const AddressChange&) const = default;
};

/// `type` is nlmsg_type. Nothing comes of messages that are about something else.
[[nodiscard]] Result<std::optional<AddressChange>> decode_address(std::uint16_t type, Bytes payload);

/// What the kernel tells on its own about the addresses of the namespace in which it was opened. Needs CAP_NET_ADMIN,
/// for the size of its buffer.
class AddressEvents {
   public:
    static constexpr int kReceiveBuffer = 1 << 20;

    [[nodiscard]] static Result<AddressEvents> open(int receive_buffer = kReceiveBuffer);

    /// Readable when there is something: then call next() until it returns nothing.
    [[nodiscard]] int fd() const { return reader_.fd(); }
    /// A failure concerns one message; go on.
    [[nodiscard]] Result<std::optional<AddressChange>> next() { return reader_.next(); }

   private:
    explicit AddressEvents(Listener listener) : reader_(std::move(listener), decode_address) {}

    EventReader<AddressChange, AddressChange> reader_;
};

}  // namespace keysluice::netlink
