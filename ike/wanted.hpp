#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/address.hpp"
#include "base/instant.hpp"

namespace keysluice::ike {

/// A connection that somebody wants up, and where its ends are.
struct Wanted {
    UdpEndpoint local;
    UdpEndpoint remote;
    Instant look_at{};  ///< when to see whether it is up
    Duration wait{};    ///< from then to the next look
};
using WantedByName = std::map<std::string, Wanted>;

/// All of them, by name and by the moment of the next look.
class WantedList {
   public:
    void put(const std::string& name, const Wanted& wanted);
    void remove(const std::string& name);
    /// Null where nobody wants it.
    [[nodiscard]] const Wanted* find(const std::string& name) const;

    /// Instant::max() where there is none.
    [[nodiscard]] Instant next() const { return by_time_.empty() ? Instant::max() : by_time_.begin()->first; }
    [[nodiscard]] std::vector<std::string> due(Instant now) const;
    [[nodiscard]] const WantedByName& all() const { return by_name_; }

   private:
    WantedByName by_name_;
    std::set<std::pair<Instant, std::string>> by_time_;
};

}  // namespace keysluice::ike
