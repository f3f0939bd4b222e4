#include "xfrm/bypass.hpp"

#include <fmt/format.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "xfrm/uapi.hpp"

namespace keysluice::xfrm {
namespace {

Result<void> bypass(int socket, Family family, Direction direction) {
    xfrm_userpolicy_info policy{};
    policy.sel.family = uapi::number(family);
    policy.action = XFRM_POLICY_ALLOW;
    policy.dir = uapi::policy_number(direction);
    const int set = family == Family::ipv4
                        ? ::setsockopt(socket, IPPROTO_IP, IP_XFRM_POLICY, &policy, sizeof(policy))
                        : ::setsockopt(socket, IPPROTO_IPV6, IPV6_XFRM_POLICY, &policy, sizeof(policy));
    if (set != 0) {
        return fail(
            "socket-bypass-refused",
            fmt::format("the kernel refused to let a socket of IKE pass by its IPsec policies: {}; this needs "
                        "CAP_NET_ADMIN and CONFIG_XFRM_USER (module xfrm_user)",
                        std::strerror(errno)));
    }
    return {};
}

}  // namespace

Result<void> bypass_policies(int socket, Family family) {
    if (auto done = bypass(socket, family, Direction::in); !done) {
        return done;
    }
    return bypass(socket, family, Direction::out);
}

Result<void> accept_encapsulated_esp(int socket) {
    const int kind = UDP_ENCAP_ESPINUDP;
    if (::setsockopt(socket, IPPROTO_UDP, UDP_ENCAP, &kind, sizeof(kind)) != 0) {
        return fail("udp-encapsulation-refused",
                    fmt::format("the kernel refused to take ESP from a UDP socket: {}; this needs CONFIG_XFRM",
                                std::strerror(errno)));
    }
    return {};
}

}  // namespace keysluice::xfrm
