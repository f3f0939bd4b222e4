#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "daemon/control/kernel_events.hpp"
#include "daemon/shared/timer.hpp"
#include "ike/actions.hpp"
#include "netlink/routing.hpp"

namespace keysluice::control {

/// The addresses of this host that a peer may send to: those that are good beyond their link.
[[nodiscard]] std::vector<IpAddress> addresses_for_peers();

/// The answer to a question of IKE's, by the routes as they are now.
[[nodiscard]] std::vector<ike::Path> find_paths(const ike::FindPaths& question);

/// Tells when the way of packets may have changed. One change of a network is many messages (an address goes, with it
/// its routes, others come): they are told as one.
class PathWatch {
   public:
    /// From the first message on.
    static constexpr Duration kSettling = std::chrono::milliseconds(50);

    /// Fails as netlink::RoutingEvents does.
    [[nodiscard]] static Result<std::unique_ptr<PathWatch>> open(Loop& loop, std::function<void()> changed);

   private:
    PathWatch(Loop& loop, netlink::RoutingEvents events, std::function<void()> changed);

    void hear();

    bool settling_ = false;
    std::function<void()> changed_;
    Timer settled_;
    KernelEvents<netlink::RoutingEvents> events_;
};

}  // namespace keysluice::control
