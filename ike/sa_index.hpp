#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ike/ids.hpp"
#include "ike/wire/payloads.hpp"

namespace keysluice::ike {

struct Sa;

/// Whom there is to find by connection, and by connection and the peer's identity. A half-open responder is not
/// there: it does not know yet whom it talks to.
class SaIndex {
   public:
    /// Lists the SA, or takes it out, as its state says. Cheap where nothing has changed. True: from now on it is
    /// found by its peer.
    bool update(Sa& sa);

    [[nodiscard]] bool empty() const { return by_connection_.empty(); }
    [[nodiscard]] std::vector<IkeSpi> of_connection(const std::string& name) const;
    /// All that were established with this peer, and perhaps others: whoever asks looks at them.
    [[nodiscard]] std::vector<IkeSpi> near_peer(const std::string& connection, const wire::Identity& peer) const;

   private:
    void remove(Sa& sa);

    std::unordered_map<std::string, std::unordered_set<IkeSpi>> by_connection_;
    std::unordered_multimap<std::size_t, IkeSpi> by_peer_;  ///< by hash, which an SA need not keep two texts for
};

}  // namespace keysluice::ike
