#include "ktls/inet_diag.hpp"

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>

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

}  // namespace keysluice::ktls
