#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "base/address.hpp"
#include "ike/actions.hpp"

namespace keysluice::control {

/// Knows which peers are silent, so that it is told once when one becomes so, and once when it is back, however often
/// somebody tries meanwhile.
class Reachability {
   public:
    static constexpr std::size_t kMostSilent = 4096;  ///< of more, nobody is told

    enum class Turn : std::uint8_t { none, unreachable, back };
    [[nodiscard]] Turn look_at(const ike::Report& report);

   private:
    /// A connection may have many peers, and a peer many ports.
    std::set<std::pair<std::string, IpAddress>> silent_;
};

}  // namespace keysluice::control
