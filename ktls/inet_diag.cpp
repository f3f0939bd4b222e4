#include "ktls/inet_diag.hpp"

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

#include "netlink/attribute.hpp"
#include "netlink/socket.hpp"

namespace keysluice::ktls {
namespace {

constexpr std::uint32_t kAllStates = 0xfff;
constexpr std::uint32_t kStates = kAllStates & ~((1U << TCP_LISTEN) | (1U << TCP_TIME_WAIT));

Result<void> list_family(netlink::Socket& socket, int family, const PortFilter& filter,
                         std::vector<SocketInfo>& found) {
    alignas(nlmsghdr) std::array<std::uint8_t, netlink::aligned(sizeof(nlmsghdr)) + sizeof(inet_diag_req_v2)> room{};
    nlmsghdr* const message = mnl_nlmsg_put_header(room.data());
    message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    auto* const request =
        static_cast<inet_diag_req_v2*>(mnl_nlmsg_put_extra_header(message, sizeof(inet_diag_req_v2)));
    request->sdiag_family = static_cast<std::uint8_t>(family);
    request->sdiag_protocol = IPPROTO_TCP;
    request->idiag_states = kStates;
    // The upper layer protocol can't be asked for by its own number: it comes with struct tcp_info
    // (net/ipv4/inet_diag.c, inet_sk_diag_fill: idiag_get_aux).
    request->idiag_ext = 1U << (INET_DIAG_INFO - 1U);
    return socket.dump(*message, "the list of TCP sockets", [&](const nlmsghdr& answer) -> Result<void> {
        auto info = decode_socket_info(
            {static_cast<const std::uint8_t*>(mnl_nlmsg_get_payload(&answer)), mnl_nlmsg_get_payload_len(&answer)});
        if (!info) {
            return pass_on(std::move(info));
        }
        if (filter.matches(*info)) {
            found.push_back(*std::move(info));
        }
        return {};
    });
}

netlink::Request question(const SocketName& name) {
    inet_diag_req_v2 request{};
    request.sdiag_family = name.local.is_v6 ? AF_INET6 : AF_INET;
    request.sdiag_protocol = IPPROTO_TCP;
    request.idiag_states = kAllStates;
    request.idiag_ext = 1U << (INET_DIAG_INFO - 1U);
    request.id.idiag_sport = htons(name.local.port);
    request.id.idiag_dport = htons(name.remote.port);
    std::memcpy(&request.id.idiag_src, name.local.address.data(), name.local.address.size());
    std::memcpy(&request.id.idiag_dst, name.remote.address.data(), name.remote.address.size());
    request.id.idiag_cookie[0] = static_cast<std::uint32_t>(name.cookie);
    request.id.idiag_cookie[1] = static_cast<std::uint32_t>(name.cookie >> 32U);
    netlink::Request message{SOCK_DIAG_BY_FAMILY};
    message.structure(request);
    return message;
}

/// Nothing where the kernel has answered that there is none.
Result<std::optional<SocketInfo>> read(const netlink::Answer& answer) {
    if (answer.error != 0 || answer.reply.size() < sizeof(nlmsghdr)) {
        return std::nullopt;
    }
    auto info = decode_socket_info(Bytes(answer.reply).subspan(netlink::aligned(sizeof(nlmsghdr))));
    if (!info) {
        return pass_on(std::move(info));
    }
    return *std::move(info);
}

}  // namespace

bool PortFilter::matches(const SocketInfo& socket) const {
    const bool everything = local.empty() && remote.empty();
    return everything || std::ranges::find(local, socket.local.port) != local.end() ||
           std::ranges::find(remote, socket.remote.port) != remote.end();
}

Result<std::vector<SocketInfo>> list_sockets(const PortFilter& filter) {
    auto socket = netlink::Socket::open(NETLINK_SOCK_DIAG);
    if (!socket) {
        return pass_on(std::move(socket));
    }
    std::vector<SocketInfo> found;
    for (const int family : {AF_INET, AF_INET6}) {
        if (auto listed = list_family(*socket, family, filter, found); !listed) {
            return pass_on(std::move(listed));
        }
    }
    return found;
}

Result<std::vector<std::optional<SocketInfo>>> find_sockets(std::span<const SocketName> names) {
    auto socket = netlink::Socket::open(NETLINK_SOCK_DIAG);
    if (!socket) {
        return pass_on(std::move(socket));
    }
    std::vector<std::optional<SocketInfo>> found;
    found.reserve(names.size());
    while (found.size() < names.size()) {
        const auto rest = names.subspan(found.size());
        std::vector<netlink::Request> requests;
        std::ranges::transform(rest.first(std::min(rest.size(), netlink::Socket::kBatch)),
                               std::back_inserter(requests), question);
        const auto answers = socket->transact(requests, "TCP sockets");
        if (!answers) {
            return std::unexpected(answers.error());
        }
        for (const netlink::Answer& answer : *answers) {
            auto info = read(answer);
            if (!info) {
                return pass_on(std::move(info));
            }
            found.push_back(*std::move(info));
        }
    }
    return found;
}

}  // namespace keysluice::ktls
