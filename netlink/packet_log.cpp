#include "netlink/packet_log.hpp"

#include <fmt/format.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "netlink/ack.hpp"
#include "netlink/attribute_set.hpp"
#include "netlink/request.hpp"

namespace keysluice::netlink {

namespace {

constexpr std::string_view kWhat = "the kernel's note about a logged packet";
constexpr auto kRules = std::to_array<AttributeRule>({{NFULA_PREFIX, 1}, {NFULA_PAYLOAD, 1}});

Request configuration(std::uint16_t group) {
    Request request{static_cast<std::uint16_t>(NFNL_SUBSYS_ULOG << 8U | NFULNL_MSG_CONFIG)};
    request.structure(nfgenmsg{.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(group)})
        .attribute_of(NFULA_CFG_CMD, nfulnl_msg_config_cmd{.command = NFULNL_CFG_CMD_BIND})
        .attribute_of(NFULA_CFG_MODE,
                      nfulnl_msg_config_mode{
                          .copy_range = htonl(PacketLog::kBytesOfEach), .copy_mode = NFULNL_COPY_PACKET, ._pad = 0})
        // How many it collects before it sends them.
        .attribute_of(NFULA_CFG_QTHRESH, htonl(1));
    request.header().nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    return request;
}

}  // namespace

Result<std::optional<LoggedPacket>> decode_logged(std::uint16_t type, Bytes payload) {
    if (type != (NFNL_SUBSYS_ULOG << 8U | NFULNL_MSG_PACKET)) {
        return std::nullopt;
    }
    if (payload.size() < sizeof(nfgenmsg)) {
        return fail("netlink-malformed",
                    fmt::format("{} has {} bytes, expected at least {}", kWhat, payload.size(), sizeof(nfgenmsg)));
    }
    const auto attributes = AttributeSet::parse(behind(payload, sizeof(nfgenmsg)), kRules, kWhat);
    if (!attributes) {
        return std::unexpected(attributes.error());
    }
    const std::string_view prefix = as_text(attributes->find(NFULA_PREFIX).value_or(Bytes{}));
    const Bytes start = attributes->find(NFULA_PAYLOAD).value_or(Bytes{});
    LoggedPacket packet;
    packet.prefix = prefix.substr(0, prefix.find('\0'));
    packet.start.assign(start.begin(), start.end());
    return packet;
}

Result<PacketLog> PacketLog::open(std::uint16_t group) {
    auto listener = Listener::open(NETLINK_NETFILTER, {}, kReceiveBuffer);
    if (!listener) {
        return pass_on(std::move(listener));
    }
    Request request = configuration(group);
    if (::send(listener->fd(), &request.header(), request.header().nlmsg_len, 0) < 0) {
        return fail("netlink-send-failed",
                    fmt::format("asking the kernel for packets of log group {}: {}", group, std::strerror(errno)));
    }
    // The kernel answers inside the call.
    std::optional<Error> failure =
        Error{"netlink-silent", fmt::format("the kernel did not answer the request for log group {}", group)};
    const auto received = listener->receive([&](const nlmsghdr& message) {
        if (const auto ack = acknowledgement(message)) {
            failure.reset();
            if (ack->error != 0) {
                failure = refusal(*ack, fmt::format("the packets of log group {}", group));
            }
        }
    });
    if (!received) {
        return std::unexpected(received.error());
    }
    if (failure) {
        return std::unexpected(*std::move(failure));
    }
    return PacketLog(*std::move(listener));
}

}  // namespace keysluice::netlink
