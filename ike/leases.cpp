#include "ike/leases.hpp"

#include <algorithm>

#include "ike/connection.hpp"

namespace keysluice::ike {

std::optional<IpAddress> Leases::take(const AddressPool& pool, const wire::Identity& peer, const IpAddress& wish) {
    const auto wished = leases_.find(wish);
    const bool free = wished == leases_.end() || wished->second.holders == 0 || same(wished->second.peer, peer);
    std::optional<IpAddress> address = pool.has(wish) && free ? std::optional(wish) : last_of(pool, peer);
    if (!address) {
        address = unused_of(pool, next_.try_emplace(pool.name, pool.first).first->second);
    }
    if (!address) {
        address = oldest_idle_of(pool);
    }
    if (!address) {
        address = unused_of(pool, pool.first);  // it may have been another range before, or forgotten some
    }
    if (address) {
        hold(*address, peer);
    }
    return address;
}

void Leases::hold(const IpAddress& address, const wire::Identity& peer) {
    if (const auto known = leases_.find(address); known != leases_.end()) {
        if (known->second.holders > 0) {
            ++known->second.holders;
            return;
        }
        forget(address);
    }
    leases_.emplace(address, Lease{.peer = peer, .holders = 1});
    by_peer_.emplace(hash_of(peer), address);
}

void Leases::release(const IpAddress& address) {
    const auto lease = leases_.find(address);
    if (lease == leases_.end() || lease->second.holders == 0) {
        return;
    }
    --lease->second.holders;
    if (lease->second.holders > 0) {
        return;
    }
    lease->second.idle = idle_.insert(idle_.end(), address);
    if (idle_.size() > kMostIdle) {
        forget(IpAddress(idle_.front()));
    }
}

/// The one that it gave back last.
std::optional<IpAddress> Leases::last_of(const AddressPool& pool, const wire::Identity& peer) const {
    const auto [first, last] = by_peer_.equal_range(hash_of(peer));
    for (auto each = first; each != last; ++each) {
        const Lease& lease = leases_.at(each->second);
        if (lease.holders == 0 && pool.has(each->second) && same(lease.peer, peer)) {
            return each->second;
        }
    }
    return std::nullopt;
}

std::optional<IpAddress> Leases::unused_of(const AddressPool& pool, std::optional<IpAddress> from) {
    while (from && pool.has(*from) && leases_.contains(*from)) {
        from = from->next();
    }
    if (!from || !pool.has(*from)) {
        return std::nullopt;
    }
    next_[pool.name] = *from;
    return from;
}

std::optional<IpAddress> Leases::oldest_idle_of(const AddressPool& pool) const {
    const auto found = std::ranges::find_if(idle_, [&](const IpAddress& address) { return pool.has(address); });
    return found == idle_.end() ? std::nullopt : std::optional(*found);
}

void Leases::forget(const IpAddress& address) {
    const auto lease = leases_.find(address);
    idle_.erase(lease->second.idle);
    const auto [first, last] = by_peer_.equal_range(hash_of(lease->second.peer));
    by_peer_.erase(std::find_if(first, last, [&](const auto& each) { return each.second == address; }));
    leases_.erase(lease);
}

}  // namespace keysluice::ike
