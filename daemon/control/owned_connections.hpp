#pragma once

#include "base/unique_fd.hpp"
#include "daemon/control/connection_changes.hpp"
#include "daemon/shared/descriptor_store.hpp"

namespace keysluice::control {

/// The connections of programs on the bus, which outlive this process as their IKE SAs do: in a memory file that
/// whoever started it keeps. Their secrets are not in there. The next process holds a random key in the place of
/// each, which nobody knows, and no private key, until the owner brings them again.
class OwnedConnections {
   public:
    /// Where nobody keeps descriptors, nothing is kept; the log says why something else is wrong.
    explicit OwnedConnections(DescriptorStore& store);

    /// What the process before left: each is awaited.
    [[nodiscard]] AddedTexts inherited() const;
    /// What the next one is to find: of all that were added those that have an owner. Whenever this process ends, it
    /// is the whole of this or of what was saved before.
    void save(const AddedTexts& all);

   private:
    /// Where in the file what counts stands; an empty one: nothing.
    struct Place {
        std::uint64_t offset = 0;
        std::uint64_t size = 0;
    };
    [[nodiscard]] Place place() const;
    [[nodiscard]] Place write(Bytes contents) const;

    UniqueFd file_;
};

}  // namespace keysluice::control
