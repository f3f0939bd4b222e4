#include "daemon/control/discard_log.hpp"

#include <fmt/format.h>

#include <utility>

#include "policy/discard_rules.hpp"

namespace keysluice::control {

std::optional<DiscardedPacket> discarded(const netlink::LoggedPacket& logged) {
    if (logged.lost) {
        return DiscardedPacket{.policy = {}, .lost = true};
    }
    const std::size_t dot = logged.prefix.find('.');
    const std::string direction = logged.prefix.substr(0, dot);
    if (dot == std::string::npos || (direction != "in" && direction != "out")) {
        return std::nullopt;
    }
    return DiscardedPacket{.policy = logged.prefix.substr(dot + 1),
                           .direction = direction == "in" ? policy::Direction::in : policy::Direction::out,
                           .header = policy::parse_packet(logged.start)};
}

std::string describe(const DiscardedPacket& packet) {
    if (packet.lost) {
        return "policies have discarded more packets than there was room for to tell";
    }
    return fmt::format("policy {} has discarded what {}: {}", packet.policy,
                       packet.direction == policy::Direction::in ? "came in" : "was to go out",
                       packet.header ? policy::describe(*packet.header) : "a packet that can't be read");
}

Result<DiscardLog> DiscardLog::open() {
    auto log = netlink::PacketLog::open(policy::kDiscardLogGroup);
    if (!log) {
        return pass_on(std::move(log));
    }
    return DiscardLog(*std::move(log));
}

Result<std::optional<DiscardedPacket>> DiscardLog::next() {
    while (true) {
        const auto logged = log_.next();
        if (!logged) {
            return std::unexpected(logged.error());
        }
        const std::optional<netlink::LoggedPacket>& packet = *logged;
        if (!packet) {
            return std::nullopt;
        }
        if (auto known = discarded(*packet)) {
            return known;
        }
    }
}

}  // namespace keysluice::control
