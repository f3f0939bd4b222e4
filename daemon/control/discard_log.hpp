#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "netlink/packet_log.hpp"
#include "policy/packet_header.hpp"
#include "policy/policy.hpp"

namespace keysluice::control {

/// A packet that a policy has discarded. The kernel tells of the first one of each policy and direction, and then of
/// at most one a minute.
struct DiscardedPacket {
    std::string policy;
    policy::Direction direction = policy::Direction::in;
    /// Missing where the packet could not be read.
    std::optional<policy::PacketHeader> header = {};
    /// More than one, of which nothing is known: the kernel had no room for them.
    bool lost = false;

    bool operator==(const DiscardedPacket&) const = default;
};

/// What a logged packet of discard_rules() is; nothing for those of others.
[[nodiscard]] std::optional<DiscardedPacket> discarded(const netlink::LoggedPacket& logged);
/// For a line of the log: "policy PROTECTFTPOUT has discarded what was to go out: tcp 192.0.2.1 port …".
[[nodiscard]] std::string describe(const DiscardedPacket& packet);

/// Hears of packets that the table of a DiscardCounter logs, in the network namespace in which it was opened.
class DiscardLog {
   public:
    /// Fails as netlink::PacketLog::open() does: then packets are counted all the same.
    [[nodiscard]] static Result<DiscardLog> open();

    /// Readable when there is something: then call next() until it returns nothing.
    [[nodiscard]] int fd() const { return log_.fd(); }
    /// A failure concerns one message; go on.
    [[nodiscard]] Result<std::optional<DiscardedPacket>> next();

   private:
    explicit DiscardLog(netlink::PacketLog log) : log_(std::move(log)) {}

    netlink::PacketLog log_;
};

}  // namespace keysluice::control
