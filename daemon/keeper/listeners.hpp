#pragma once

#include <map>
#include <string>

#include "base/unique_fd.hpp"
#include "daemon/shared/descriptor_store.hpp"

namespace keysluice {

/// The listening sockets that the keeper holds for keysluiced, by name.
///
/// Where a service manager keeps descriptors, it has them, too. A keeper that dies together with keysluiced would
/// lose them, and the engines' duplicates would hold the addresses against every keysluiced that binds them anew.
class Listeners {
   public:
    Listeners() = default;
    /// Begins with what `store` has of a keeper before.
    explicit Listeners(DescriptorStore store);

    void hold(const std::string& name, UniqueFd socket);
    void forget(const std::string& name);
    [[nodiscard]] const std::map<std::string, UniqueFd>& all() const { return held_; }

   private:
    DescriptorStore store_;
    std::map<std::string, UniqueFd> held_;
};

}  // namespace keysluice
