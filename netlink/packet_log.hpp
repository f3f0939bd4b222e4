#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "netlink/event_reader.hpp"

namespace keysluice::netlink {

/// A packet that a rule of nftables has logged (nft::Log).
struct LoggedPacket {
    /// The rule's own word about it.
    std::string prefix;
    /// From its IP header on, and not all of it.
    std::vector<std::uint8_t> start;
    /// Packets that did not fit into the socket's buffer: the other members have no meaning then.
    bool lost = false;

    bool operator==(const LoggedPacket&) const = default;
};

/// `payload` is what follows the netlink header, `type` is nlmsg_type. Fails with "netlink-malformed"; nothing comes
/// of messages that are about something else.
[[nodiscard]] Result<std::optional<LoggedPacket>> decode_logged(std::uint16_t type, Bytes payload);

/// Hears what rules of the network namespace in which it was opened log to a group. Needs CAP_NET_ADMIN.
class PacketLog {
   public:
    static constexpr int kReceiveBuffer = 1 << 20;
    /// IPv6 with a few extension headers, and the first bytes of what is inside.
    static constexpr std::uint32_t kBytesOfEach = 128;

    /// Fails with "netlink-not-permitted" where another process listens to the group, too.
    [[nodiscard]] static Result<PacketLog> open(std::uint16_t group);

    /// Readable when there is something: then call next() until it returns nothing.
    [[nodiscard]] int fd() const { return reader_.fd(); }
    /// A failure concerns one message; go on.
    [[nodiscard]] Result<std::optional<LoggedPacket>> next() { return reader_.next(); }

   private:
    struct Lost : LoggedPacket {
        Lost() { lost = true; }
    };

    explicit PacketLog(Listener listener) : reader_(std::move(listener), decode_logged) {}

    EventReader<LoggedPacket, Lost> reader_;
};

}  // namespace keysluice::netlink
