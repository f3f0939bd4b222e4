#include "ike/connection_table.hpp"

#include <algorithm>
#include <iterator>

namespace keysluice::ike {

void ConnectionTable::configure(const std::vector<ConnectionPtr>& connections) {
    by_name_.clear();
    by_remote_.clear();
    for (const ConnectionPtr& each : connections) {
        by_name_.emplace(each->name, each);
    }
    // One for a local address comes before one for any; otherwise the configuration's order holds.
    for (const bool for_address : {true, false}) {
        for (const ConnectionPtr& each : connections) {
            if (each->local.has_value() != for_address) {
                continue;
            }
            by_remote_[each->remote].push_back(each);
            for (const UdpEndpoint& gateway : each->gateways.all) {
                if (gateway.address != each->remote) {
                    by_remote_[gateway.address].push_back(each);
                }
            }
        }
    }
}

ConnectionPtr ConnectionTable::find(const std::string& name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
}

std::vector<ConnectionPtr> ConnectionTable::between(const IpAddress& local, const IpAddress& remote) const {
    std::vector<ConnectionPtr> found;
    for (const std::optional<IpAddress>& peer : {std::optional(remote), std::optional<IpAddress>()}) {
        if (const auto group = by_remote_.find(peer); group != by_remote_.end()) {
            std::ranges::copy_if(group->second, std::back_inserter(found),
                                 [&](const ConnectionPtr& each) { return each->local.value_or(local) == local; });
        }
    }
    return found;
}

}  // namespace keysluice::ike
