#pragma once

#include <cstdint>
#include <optional>

#include "base/result.hpp"
#include "netlink/event_reader.hpp"
#include "netlink/route.hpp"

namespace keysluice::netlink {

/// What a network device has come to.
struct LinkChange {
    /// Nothing where messages were lost: it may be any, and more than one.
    std::optional<Device> device;
    /// An administrator or a driver wants it up. A device that is gone is not.
    bool up = false;

    bool operator==(const LinkChange&) const = default;
};

/// `payload` is what follows the netlink header, `type` is nlmsg_type. Fails with "netlink-malformed"; nothing comes
/// of messages that are about something else.
[[nodiscard]] Result<std::optional<LinkChange>> decode_link(std::uint16_t type, Bytes payload);

/// What the kernel tells on its own about the network devices of the namespace in which it was opened. Needs
/// CAP_NET_ADMIN, for the size of its buffer.
class LinkEvents {
   public:
    static constexpr int kReceiveBuffer = 1 << 20;

    [[nodiscard]] static Result<LinkEvents> open(int receive_buffer = kReceiveBuffer);

    /// Readable when there is something: then call next() until it returns nothing.
    [[nodiscard]] int fd() const { return reader_.fd(); }
    /// A failure concerns one message; go on.
    [[nodiscard]] Result<std::optional<LinkChange>> next() { return reader_.next(); }

   private:
    explicit LinkEvents(Listener listener) : reader_(std::move(listener), decode_link) {}

    EventReader<LinkChange, LinkChange> reader_;
};

}  // namespace keysluice::netlink
