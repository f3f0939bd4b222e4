#pragma once

#include <list>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "ike/assignment.hpp"

namespace keysluice::ike {

/// Which peer has which address of the pools. An address stays with its peer's name after the peer has gone, and goes
/// to somebody else once all others are taken, the one that was given back first before the rest.
class Leases {
   public:
    /// Addresses that nobody uses and whose last holder is remembered; the oldest are forgotten.
    static constexpr std::size_t kMostIdle = 65'536;

    /// An address for this peer, which holds it once more: the one that it asks for, if it is of the pool and nobody
    /// else's; the one that it had last; or any. `wish` may be unspecified. Nothing: all are taken.
    ///
    /// An address that the peer holds already it gets by asking for it: so an IKE SA that takes over from another one
    /// has the same, and a second host with the same identity gets its own.
    [[nodiscard]] std::optional<IpAddress> take(const AddressPool& pool, const wire::Identity& peer,
                                                const IpAddress& wish);
    /// An address that the peer holds once more, by whatever gave it.
    void hold(const IpAddress& address, const wire::Identity& peer);
    /// One of those who hold it does no longer.
    void release(const IpAddress& address);

    struct Lease {
        wire::Identity peer;
        unsigned holders = 0;
        std::list<IpAddress>::iterator idle = {};  ///< without holders: its place
    };
    [[nodiscard]] const std::map<IpAddress, Lease>& all() const { return leases_; }

   private:
    [[nodiscard]] std::optional<IpAddress> last_of(const AddressPool& pool, const wire::Identity& peer) const;
    [[nodiscard]] std::optional<IpAddress> unused_of(const AddressPool& pool, std::optional<IpAddress> from);
    [[nodiscard]] std::optional<IpAddress> oldest_idle_of(const AddressPool& pool) const;
    void forget(const IpAddress& address);

    std::map<IpAddress, Lease> leases_;
    std::unordered_multimap<std::size_t, IpAddress> by_peer_;  ///< by hash of the identity
    std::list<IpAddress> idle_;                                ///< without holders, since when: oldest first
    std::map<std::string, IpAddress> next_;                    ///< by pool: where to look for one that nobody has had
};

}  // namespace keysluice::ike
