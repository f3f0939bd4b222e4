#pragma once

#include <optional>

#include "base/result.hpp"
#include "netlink/event_reader.hpp"

namespace keysluice::netlink {

/// An address of this host, a route or a rule has come or gone, or messages about that were lost: the way of packets
/// may be another one.
struct RoutingChange {
    bool operator==(const RoutingChange&) const = default;
};

/// `type` is nlmsg_type. Nothing comes of messages that are about something else.
[[nodiscard]] Result<std::optional<RoutingChange>> decode_routing(std::uint16_t type, Bytes payload);

/// What the kernel tells on its own about that, of the namespace in which it was opened. Needs CAP_NET_ADMIN, for the
/// size of its buffer.
class RoutingEvents {
   public:
    static constexpr int kReceiveBuffer = 1 << 20;

    [[nodiscard]] static Result<RoutingEvents> open(int receive_buffer = kReceiveBuffer);

    /// Readable when there is something: then call next() until it returns nothing.
    [[nodiscard]] int fd() const { return reader_.fd(); }
    /// A failure concerns one message; go on.
    [[nodiscard]] Result<std::optional<RoutingChange>> next() { return reader_.next(); }

   private:
    explicit RoutingEvents(Listener listener) : reader_(std::move(listener), decode_routing) {}

    EventReader<RoutingChange, RoutingChange> reader_;
};

}  // namespace keysluice::netlink
