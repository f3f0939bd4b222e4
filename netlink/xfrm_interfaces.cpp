#include "netlink/xfrm_interfaces.hpp"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/xfrmi.h>
#include <netlink/route/route.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/bytes.hpp"

namespace keysluice::netlink {
namespace {

// Of IPv4, a new route comes before those to the same destination that are there, and they stay; the one that is to
// go is known by its source and, where it has none, by its scope (net/ipv4/fib_trie.c, fib_table_delete()). Of IPv6
// the priority decides, 1024 being the usual one, and there is one route of each priority to a destination by one
// interface.
constexpr std::uint32_t kPriorityWithSource = 511;
constexpr std::uint32_t kPriorityWithoutSource = 512;
constexpr timeval kSilence{.tv_sec = 2, .tv_usec = 0};

template <typename Object, void (*Put)(Object*)>
struct Putter {
    void operator()(Object* object) const { Put(object); }
};
using Link = std::unique_ptr<rtnl_link, Putter<rtnl_link, rtnl_link_put>>;
using Addr = std::unique_ptr<rtnl_addr, Putter<rtnl_addr, rtnl_addr_put>>;
using Route = std::unique_ptr<rtnl_route, Putter<rtnl_route, rtnl_route_put>>;
using Cache = std::unique_ptr<nl_cache, Putter<nl_cache, nl_cache_free>>;
using Message = std::unique_ptr<nl_msg, Putter<nl_msg, nlmsg_free>>;
using NlAddr = std::unique_ptr<nl_addr, Putter<nl_addr, nl_addr_put>>;

int family_of(const IpAddress& address) {
    return address.family() == Family::ipv4 ? AF_INET : AF_INET6;
}

NlAddr nl_addr_of(const Prefix& prefix) {
    const Bytes octets = prefix.address.octets();
    NlAddr made(nl_addr_build(family_of(prefix.address), octets.data(), octets.size()));
    nl_addr_set_prefixlen(made.get(), prefix.length);
    return made;
}

Prefix host(const IpAddress& address) {
    return {address, static_cast<std::uint8_t>(address.bits())};
}

std::optional<Prefix> prefix_of(nl_addr* address) {
    if (address == nullptr) {
        return std::nullopt;
    }
    const auto* octets = static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(address));
    const auto parsed = IpAddress::from_octets({octets, nl_addr_get_len(address)});
    return parsed ? std::optional(Prefix{*parsed, static_cast<std::uint8_t>(nl_addr_get_prefixlen(address))})
                  : std::nullopt;
}

std::unexpected<Error> refused(std::string_view what, int code) {
    const int error = code < 0 ? -code : code;
    if (error == NLE_OPNOTSUPP) {
        return fail("interface-not-supported",
                    fmt::format("this kernel has no XFRM interfaces (CONFIG_XFRM_INTERFACE, module xfrm_interface), "
                                "so there can be no {}",
                                what));
    }
    return fail("interface-refused", fmt::format("the kernel refused {}: {}{}", what, nl_geterror(code),
                                                 error == NLE_PERM ? "; run with CAP_NET_ADMIN" : ""));
}

Result<void> done(std::string_view what, int code) {
    return code < 0 ? Result<void>(refused(what, code)) : Result<void>();
}

/// One that was there, or gone, before: somebody else was quicker.
bool is_already(int code, int wanted) {
    return code == -wanted;
}

Result<Link> find_link(nl_sock* socket, const std::string& name) {
    rtnl_link* found = nullptr;
    const int code = rtnl_link_get_kernel(socket, 0, name.c_str(), &found);
    if (code == -NLE_OBJ_NOTFOUND || code == -NLE_NODEV) {
        return Link{};
    }
    if (code < 0) {
        return refused(fmt::format("the question for interface {}", name), code);
    }
    return Link(found);
}

/// 0 for anything but an XFRM interface.
std::uint32_t id_of(rtnl_link* link) {
    std::uint32_t id = 0;
    return rtnl_link_is_xfrmi(link) != 0 && rtnl_link_xfrmi_get_if_id(link, &id) == 0 ? id : 0;
}

bool is_ours(rtnl_link* link) {
    return (id_of(link) & XfrmInterfaces::kMarkMask) == XfrmInterfaces::kMark;
}

Result<void> make_link(nl_sock* socket, const XfrmInterface& wanted) {
    const Link link(rtnl_link_xfrmi_alloc());
    rtnl_link_set_name(link.get(), wanted.name.c_str());
    rtnl_link_xfrmi_set_if_id(link.get(), wanted.id);
    return done(fmt::format("XFRM interface {}", wanted.name),
                rtnl_link_add(socket, link.get(), NLM_F_CREATE | NLM_F_EXCL));
}

/// Up, and with its MTU.
Result<void> adjust(nl_sock* socket, const XfrmInterface& wanted, rtnl_link* link) {
    const bool up = (rtnl_link_get_flags(link) & IFF_UP) != 0;
    if (up && (wanted.mtu == 0 || rtnl_link_get_mtu(link) == wanted.mtu)) {
        return {};
    }
    const Link change(rtnl_link_alloc());
    rtnl_link_set_flags(change.get(), IFF_UP);
    if (wanted.mtu != 0) {
        rtnl_link_set_mtu(change.get(), wanted.mtu);
    }
    return done(fmt::format("the MTU of interface {}, or to put it up", wanted.name),
                rtnl_link_change(socket, link, change.get(), 0));
}

/// Those of the kernel's own making left out.
Result<std::set<IpAddress>> addresses_of(nl_sock* socket, std::uint32_t index, const std::string& name) {
    nl_cache* filled = nullptr;
    if (const int code = rtnl_addr_alloc_cache(socket, &filled); code < 0) {
        return refused(fmt::format("the question for the addresses of interface {}", name), code);
    }
    const Cache cache(filled);
    std::set<IpAddress> addresses;
    for (nl_object* each = nl_cache_get_first(cache.get()); each != nullptr; each = nl_cache_get_next(each)) {
        auto* const address = reinterpret_cast<rtnl_addr*>(each);
        const auto local = prefix_of(rtnl_addr_get_local(address));
        const bool here = std::cmp_equal(rtnl_addr_get_ifindex(address), index);
        if (here && local && rtnl_addr_get_scope(address) != RT_SCOPE_LINK) {
            addresses.insert(local->address);
        }
    }
    return addresses;
}

Addr addr_of(const IpAddress& address, std::uint32_t index) {
    Addr made(rtnl_addr_alloc());
    rtnl_addr_set_ifindex(made.get(), static_cast<int>(index));
    rtnl_addr_set_local(made.get(), nl_addr_of(host(address)).get());
    if (address.family() == Family::ipv6) {
        rtnl_addr_set_flags(made.get(), IFA_F_NODAD);  // nobody else is on this link
    }
    return made;
}

/// Collects the routes of one dump.
struct RouteDump {
    std::uint32_t index;
    std::set<InterfaceRoute> routes;
};

int take_route(nl_msg* message, void* into) {
    auto& dump = *static_cast<RouteDump*>(into);
    rtnl_route* parsed = nullptr;
    if (rtnl_route_parse(nlmsg_hdr(message), &parsed) < 0) {
        return NL_SKIP;
    }
    const Route route(parsed);
    rtnl_nexthop* const hop = rtnl_route_nexthop_n(route.get(), 0);
    const auto to = prefix_of(rtnl_route_get_dst(route.get()));
    const bool ours = rtnl_route_get_protocol(route.get()) == XfrmInterfaces::kRouteProtocol && hop != nullptr &&
                      std::cmp_equal(rtnl_route_nh_get_ifindex(hop), dump.index);
    if (ours && to) {
        const auto source = prefix_of(rtnl_route_get_pref_src(route.get()));
        dump.routes.insert({.to = *to, .source = source ? std::optional(source->address) : std::nullopt});
    }
    return NL_OK;
}

/// The kernel sorts out by itself what is not in this interface: there may be a million of others.
Result<void> dump_routes(nl_sock* socket, int family, RouteDump& into) {
    const Message message(nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_DUMP));
    rtmsg header{};
    header.rtm_family = static_cast<unsigned char>(family);
    nlmsg_append(message.get(), &header, sizeof(header), NLMSG_ALIGNTO);
    nla_put_u32(message.get(), RTA_OIF, into.index);
    const int sent = nl_send_auto(socket, message.get());
    if (sent < 0) {
        return refused("the question for routes", sent);
    }
    nl_cb* const handlers = nl_cb_clone(nl_socket_get_cb(socket));
    nl_cb_set(handlers, NL_CB_VALID, NL_CB_CUSTOM, take_route, &into);
    const int code = nl_recvmsgs(socket, handlers);
    nl_cb_put(handlers);
    return done("the question for routes", code);
}

Route route_of(const InterfaceRoute& wanted, std::uint32_t index) {
    Route made(rtnl_route_alloc());
    rtnl_route_set_family(made.get(), static_cast<std::uint8_t>(family_of(wanted.to.address)));
    rtnl_route_set_dst(made.get(), nl_addr_of(wanted.to).get());
    rtnl_route_set_protocol(made.get(), XfrmInterfaces::kRouteProtocol);
    rtnl_route_set_scope(made.get(), wanted.source ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
    if (wanted.to.address.family() == Family::ipv6) {
        rtnl_route_set_priority(made.get(), wanted.source ? kPriorityWithSource : kPriorityWithoutSource);
    }
    if (wanted.source) {
        rtnl_route_set_pref_src(made.get(), nl_addr_of(host(*wanted.source)).get());
    }
    rtnl_nexthop* const hop = rtnl_route_nh_alloc();
    rtnl_route_nh_set_ifindex(hop, static_cast<int>(index));
    rtnl_route_add_nexthop(made.get(), hop);
    return made;
}

template <typename Value>
std::vector<Value> without(const std::set<Value>& all, const std::set<Value>& these) {
    std::vector<Value> left;
    std::ranges::set_difference(all, these, std::back_inserter(left));
    return left;
}

}  // namespace

void XfrmInterfaces::Close::operator()(nl_sock* socket) const {
    nl_socket_free(socket);
}

Result<XfrmInterfaces> XfrmInterfaces::open() {
    Handle socket(nl_socket_alloc());
    if (const int code = nl_connect(socket.get(), NETLINK_ROUTE); code < 0) {
        return refused("a netlink socket", code);
    }
    const int fd = nl_socket_get_fd(socket.get());
    constexpr int kOn = 1;
    // Without strict checking, which a kernel from before 4.20 has not, the answers are sorted out here.
    static_cast<void>(setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &kOn, sizeof(kOn)));
    static_cast<void>(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kSilence, sizeof(kSilence)));
    return XfrmInterfaces(std::move(socket));
}

Result<std::vector<std::string>> XfrmInterfaces::ours() {
    nl_cache* filled = nullptr;
    if (const int code = rtnl_link_alloc_cache(socket_.get(), AF_UNSPEC, &filled); code < 0) {
        return refused("the question for interfaces", code);
    }
    const Cache cache(filled);
    std::vector<std::string> names;
    for (nl_object* each = nl_cache_get_first(cache.get()); each != nullptr; each = nl_cache_get_next(each)) {
        if (auto* const link = reinterpret_cast<rtnl_link*>(each); is_ours(link)) {
            names.emplace_back(rtnl_link_get_name(link));
        }
    }
    return names;
}

Result<void> XfrmInterfaces::settle(const XfrmInterface& wanted) {
    const auto index = find_or_make(wanted);
    if (!index) {
        return std::unexpected(index.error());
    }
    if (auto settled = settle_addresses(wanted, *index); !settled) {
        return settled;
    }
    return settle_routes(wanted, *index);
}

Result<void> XfrmInterfaces::remove(const std::string& name) {
    const auto link = find_link(socket_.get(), name);
    if (!link) {
        return std::unexpected(link.error());
    }
    if (!*link || !is_ours(link->get())) {
        return {};
    }
    const int code = rtnl_link_delete(socket_.get(), link->get());
    return is_already(code, NLE_NODEV) ? Result<void>() : done(fmt::format("to remove interface {}", name), code);
}

Result<std::uint32_t> XfrmInterfaces::find_or_make(const XfrmInterface& wanted) {
    auto link = find_link(socket_.get(), wanted.name);
    if (link && !*link) {
        if (auto made = make_link(socket_.get(), wanted); !made) {
            return pass_on(std::move(made));
        }
        link = find_link(socket_.get(), wanted.name);
    }
    if (!link) {
        return std::unexpected(link.error());
    }
    if (!*link || id_of(link->get()) != wanted.id) {
        return fail("interface-in-use",
                    fmt::format("there is an interface {} already, which keysluice did not make: expected an XFRM "
                                "interface with if_id {:#x}, or none of this name",
                                wanted.name, wanted.id));
    }
    if (auto adjusted = adjust(socket_.get(), wanted, link->get()); !adjusted) {
        return pass_on(std::move(adjusted));
    }
    return static_cast<std::uint32_t>(rtnl_link_get_ifindex(link->get()));
}

Result<void> XfrmInterfaces::settle_addresses(const XfrmInterface& wanted, std::uint32_t index) {
    const auto there = addresses_of(socket_.get(), index, wanted.name);
    if (!there) {
        return std::unexpected(there.error());
    }
    // New ones first: of two primary addresses the kernel chooses the one that stays.
    for (const IpAddress& address : without(wanted.addresses, *there)) {
        const int code = rtnl_addr_add(socket_.get(), addr_of(address, index).get(), 0);
        if (code < 0 && !is_already(code, NLE_EXIST)) {
            return refused(fmt::format("the address {} of interface {}", address.text(), wanted.name), code);
        }
    }
    for (const IpAddress& address : without(*there, wanted.addresses)) {
        const int code = rtnl_addr_delete(socket_.get(), addr_of(address, index).get(), 0);
        if (code < 0 && !is_already(code, NLE_NOADDR)) {
            return refused(fmt::format("to take {} from interface {}", address.text(), wanted.name), code);
        }
    }
    return {};
}

Result<void> XfrmInterfaces::settle_routes(const XfrmInterface& wanted, std::uint32_t index) {
    RouteDump there{.index = index, .routes = {}};
    for (const int family : {AF_INET, AF_INET6}) {
        if (auto dumped = dump_routes(socket_.get(), family, there); !dumped) {
            return dumped;
        }
    }
    // New ones first: nothing goes elsewhere while a route comes to have another source.
    for (const InterfaceRoute& route : without(wanted.routes, there.routes)) {
        const int code = rtnl_route_add(socket_.get(), route_of(route, index).get(), NLM_F_CREATE);
        if (code < 0 && !is_already(code, NLE_EXIST)) {
            return refused(fmt::format("the route to {} by interface {}", route.to.text(), wanted.name), code);
        }
    }
    for (const InterfaceRoute& route : without(there.routes, wanted.routes)) {
        const int code = rtnl_route_delete(socket_.get(), route_of(route, index).get(), 0);
        if (code < 0 && !is_already(code, NLE_OBJ_NOTFOUND)) {
            return refused(fmt::format("to take the route to {} from interface {}", route.to.text(), wanted.name),
                           code);
        }
    }
    return {};
}

}  // namespace keysluice::netlink
