#include "daemon/control/ike_paths.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "daemon/control/ike_sockets.hpp"
#include "daemon/control/plaintext.hpp"
#include "daemon/shared/clock.hpp"

namespace keysluice::control {
namespace {

bool is_link_local(const IpAddress& address) {
    const Bytes octets = address.octets();
    return address.family() == Family::ipv4 ? octets[0] == 169 && octets[1] == 254               // RFC 3927
                                            : octets[0] == 0xfe && (octets[1] & 0xc0U) == 0x80;  // RFC 4291, 2.5.6
}

}  // namespace

std::vector<IpAddress> addresses_for_peers() {
    std::vector<IpAddress> usable;
    std::ranges::copy_if(own_addresses(), std::back_inserter(usable), [](const IpAddress& each) {
        return !is_loopback(each) && !is_link_local(each) && !each.unspecified();
    });
    return usable;
}

std::vector<ike::Path> find_paths(const ike::FindPaths& question) {
    std::vector<ike::Path> paths;
    for (const IpAddress& remote : question.remotes) {
        const auto source = local_address_towards(remote);
        const IpAddress local = question.local.value_or(source.value_or(IpAddress{}));
        if (source && local.family() == remote.family()) {
            paths.push_back({.local = local, .remote = remote});
        }
    }
    return paths;
}

Result<std::unique_ptr<PathWatch>> PathWatch::open(Loop& loop, std::function<void()> changed) {
    auto events = netlink::RoutingEvents::open();
    if (!events) {
        return pass_on(std::move(events));
    }
    return std::unique_ptr<PathWatch>(new PathWatch(loop, *std::move(events), std::move(changed)));
}

PathWatch::PathWatch(Loop& loop, netlink::RoutingEvents events, std::function<void()> changed)
    : changed_(std::move(changed)),
      settled_(loop,
               [this] {
                   settling_ = false;
                   changed_();
               }),
      events_(loop, std::move(events), "the kernel's events of addresses and routes",
              [this](const netlink::RoutingChange&) { hear(); }) {}

void PathWatch::hear() {
    if (!std::exchange(settling_, true)) {
        settled_.arm(now() + kSettling);
    }
}

}  // namespace keysluice::control
