#pragma once

#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "ike/connection.hpp"

namespace keysluice::ike {

/// The connections of a configuration, by name and by the addresses that they are for.
class ConnectionTable {
   public:
    /// In the order of the configuration.
    void configure(const std::vector<ConnectionPtr>& connections);

    /// Null where there is none of this name.
    [[nodiscard]] ConnectionPtr find(const std::string& name) const;

    /// All between these two addresses. One for a certain peer comes before one for any, then one for a certain
    /// address of ours before one for any; otherwise the configuration's order holds.
    [[nodiscard]] std::vector<ConnectionPtr> between(const IpAddress& local, const IpAddress& remote) const;

   private:
    std::unordered_map<std::string, ConnectionPtr> by_name_;
    /// By the peer's address, nothing for any; best first.
    std::map<std::optional<IpAddress>, std::vector<ConnectionPtr>> by_remote_;
};

}  // namespace keysluice::ike
