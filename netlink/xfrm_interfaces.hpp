#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/result.hpp"

struct nl_sock;

namespace keysluice::netlink {

/// Packets to these addresses go into the interface.
struct InterfaceRoute {
    Prefix to;
    std::optional<IpAddress> source = {};  ///< of what this host sends itself; nothing: the kernel chooses

    auto operator<=>(const InterfaceRoute&) const = default;
};

/// An XFRM interface: packets that go into it meet the policies of its number, and what SAs of its number carry comes
/// out of it.
struct XfrmInterface {
    std::string name;
    std::uint32_t id = 0;   ///< if_id
    std::uint32_t mtu = 0;  ///< 0: the kernel's
    std::set<IpAddress> addresses = {};
    std::set<InterfaceRoute> routes = {};

    bool operator==(const XfrmInterface&) const = default;
};

/// The XFRM interfaces of the network namespace in which it was opened, through libnl. Each call blocks while the
/// kernel works on it, and gives up after two seconds of silence.
class XfrmInterfaces {
   public:
    /// In front of each number of ours: so what an earlier process left is found again, whatever became of it.
    static constexpr std::uint32_t kMark = 0x6b000000;
    static constexpr std::uint32_t kMarkMask = 0xff000000;
    /// The protocol of our routes (rtm_protocol): others' stay as they are.
    static constexpr std::uint8_t kRouteProtocol = 107;

    [[nodiscard]] static Result<XfrmInterfaces> open();

    /// Those with numbers of ours.
    [[nodiscard]] Result<std::vector<std::string>> ours();
    /// Makes it if it is not there, and gives it these addresses and routes, up, and no others of ours. Fails with
    /// "interface-in-use" where the name is that of something else, "interface-not-supported" where the kernel has
    /// none, and else with "interface-refused", in whose sentence is what was refused and why.
    [[nodiscard]] Result<void> settle(const XfrmInterface& wanted);
    /// With all addresses and routes. Nothing where it is not there or not ours.
    [[nodiscard]] Result<void> remove(const std::string& name);

   private:
    struct Close {
        void operator()(nl_sock* socket) const;
    };
    using Handle = std::unique_ptr<nl_sock, Close>;

    explicit XfrmInterfaces(Handle socket) : socket_(std::move(socket)) {}

    [[nodiscard]] Result<std::uint32_t> find_or_make(const XfrmInterface& wanted);
    [[nodiscard]] Result<void> settle_addresses(const XfrmInterface& wanted, std::uint32_t index);
    [[nodiscard]] Result<void> settle_routes(const XfrmInterface& wanted, std::uint32_t index);

    Handle socket_;
};

}  // namespace keysluice::netlink
