#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/control/ike_configuration.hpp"
#include "daemon/shared/timer.hpp"
#include "ike/endpoint.hpp"
#include "netlink/links.hpp"
#include "netlink/xfrm_interfaces.hpp"

namespace keysluice::control {

using WantedInterfaces = std::map<std::string, netlink::XfrmInterface>;

/// The XFRM interfaces of all connections that are configured or whose IKE SAs stand, with
/// - the addresses that peers gave us,
/// - routes to what CHILD SAs lead to, from such an address if there is one; where none stands, to what the children
/// of
///   connections that start by themselves are for, so that nothing goes elsewhere meanwhile,
/// - routes to the pools out of which peers get their addresses.
///
/// What goes to a peer itself does not go into the tunnel that it carries: routes leave out the outer addresses.
[[nodiscard]] WantedInterfaces wanted_interfaces(const std::vector<IkeConnection>& connections,
                                                 const ike::Endpoint& endpoint);

/// Makes the kernel's XFRM interfaces what is wanted, and takes out what an earlier process left.
class Interfaces {
   public:
    /// Between attempts at what the kernel refused.
    static constexpr Duration kPause = std::chrono::seconds(5);
    /// How long what an earlier process left may be there though nobody wants it: somebody may add its connection
    /// again, and until then what is meant for the tunnel goes nowhere else.
    static constexpr Duration kPatience = std::chrono::seconds(30);

    Interfaces(Loop& loop, netlink::XfrmInterfaces kernel);

    void follow(WantedInterfaces wanted);
    /// Somebody may have changed one, or taken it away.
    void hear(const netlink::LinkChange& change);
    /// Takes all of them out.
    void clear();
    /// There are none, and none is wanted.
    [[nodiscard]] bool none() const { return wanted_.empty() && settled_.empty(); }

   private:
    void look();
    void settle();
    [[nodiscard]] bool settle(const netlink::XfrmInterface& wanted);
    [[nodiscard]] bool remove_unwanted();
    void tell(const std::string& name, const Error& error);

    netlink::XfrmInterfaces kernel_;
    WantedInterfaces wanted_;
    WantedInterfaces settled_;                 ///< as the kernel has them, or without a name where nobody has looked
    std::map<std::string, std::string> told_;  ///< by interface, what is wrong with it and was logged
    std::set<std::string> inherited_;          ///< of an earlier process, and nobody has wanted them yet
    Timer retry_;
    Timer patience_;
};

}  // namespace keysluice::control
