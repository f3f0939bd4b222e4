#pragma once

#include <string>

#include "daemon/control/state_file.hpp"

namespace keysluice::control {

/// The key of a StateFile, in the kernel's keyring of this user, where the next process finds it. It never touches a
/// disk, and is not beside what it protects. (Root can read both: it protects against swap, dumps and leaked
/// descriptors.)
class StateKey {
   public:
    /// `place`: what tells two services on one machine apart, such as the runtime directory.
    explicit StateKey(const std::string& place) : description_("keysluice-ike-state:" + place) {}

    /// A new one, in place of any before. Error: "keyring-unavailable".
    [[nodiscard]] Result<StateFile::Key> create(Random& random) const;
    /// Error: "state-key-missing".
    [[nodiscard]] Result<StateFile::Key> find() const;
    void destroy() const;

   private:
    std::string description_;
};

}  // namespace keysluice::control
