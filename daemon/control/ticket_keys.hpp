#pragma once

#include <chrono>
#include <functional>

#include "base/unique_fd.hpp"
#include "daemon/engine/ticket_memory.hpp"
#include "daemon/shared/descriptor_store.hpp"
#include "daemon/shared/system_random.hpp"
#include "daemon/shared/timer.hpp"

namespace keysluice::control {

/// Makes the keys of the engines' tickets and replaces them in time. The memory that they are in rests in the
/// descriptor store: who restarts keysluiced ends no session that a client has a ticket for.
class TicketKeys {
   public:
    /// The longest lifetime of a session, as the configuration says now; 0: no session is resumed.
    using Lifetime = std::function<std::chrono::milliseconds()>;

    TicketKeys(Loop& loop, DescriptorStore& store, Lifetime lifetime);

    /// A duplicate of the memory file; none where there could be none, and then no session is resumed.
    [[nodiscard]] UniqueFd file() const;
    [[nodiscard]] const TicketMemory& memory() const { return memory_; }
    /// Makes a new key where it is time for one, now and then by itself. Call it when the longest lifetime changes.
    void look();

   private:
    void inherit_or_create(DescriptorStore& store);

    Lifetime lifetime_;
    TicketMemory memory_;
    SystemRandom random_;
    Timer timer_;
};

}  // namespace keysluice::control
