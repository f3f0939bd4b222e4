#include "ike/sa_index.hpp"

#include <algorithm>
#include <utility>

#include "ike/sa.hpp"

namespace keysluice::ike {
namespace {

std::size_t hash_of(const std::string& connection, const wire::Identity& peer) {
    return (std::hash<std::string>{}(connection) * 31) ^ ike::hash_of(peer);
}

}  // namespace

bool SaIndex::update(Sa& sa) {
    if (sa.state == State::dead) {
        remove(sa);
        return false;
    }
    if (!sa.half_open() && !std::exchange(sa.listed, true)) {
        by_connection_[sa.connection->name].insert(sa.own_spi());
    }
    if (sa.state == State::established && !std::exchange(sa.listed_by_peer, true)) {
        by_peer_.emplace(hash_of(sa.connection->name, sa.peer_id), sa.own_spi());
        return true;
    }
    return false;
}

void SaIndex::remove(Sa& sa) {
    if (std::exchange(sa.listed, false)) {
        const auto listed = by_connection_.find(sa.connection->name);
        listed->second.erase(sa.own_spi());
        if (listed->second.empty()) {
            by_connection_.erase(listed);
        }
    }
    if (std::exchange(sa.listed_by_peer, false)) {
        const auto [first, last] = by_peer_.equal_range(hash_of(sa.connection->name, sa.peer_id));
        by_peer_.erase(std::find_if(first, last, [&](const auto& each) { return each.second == sa.own_spi(); }));
    }
}

std::vector<IkeSpi> SaIndex::of_connection(const std::string& name) const {
    const auto found = by_connection_.find(name);
    return found == by_connection_.end() ? std::vector<IkeSpi>{}
                                         : std::vector<IkeSpi>(found->second.begin(), found->second.end());
}

std::vector<IkeSpi> SaIndex::near_peer(const std::string& connection, const wire::Identity& peer) const {
    std::vector<IkeSpi> found;
    const auto [first, last] = by_peer_.equal_range(hash_of(connection, peer));
    std::transform(first, last, std::back_inserter(found), [](const auto& each) { return each.second; });
    return found;
}

}  // namespace keysluice::ike
