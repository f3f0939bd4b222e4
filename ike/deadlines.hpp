#pragma once

#include <vector>

#include "base/instant.hpp"

namespace keysluice::ike {

struct Sa;

/// IKE SAs by the moment at which they want to be looked at: a binary heap in which each SA knows its slot.
///
/// Most deadlines only ever move away (whoever is heard of is not asked whether it is there), so a later one does not
/// move the SA: it comes up early, and is set anew.
class Deadlines {
   public:
    /// Instant::max() for never.
    void set(Sa& sa, Instant at);
    /// Has to come before the end of an SA's life.
    void remove(Sa& sa);
    /// Instant::max() where there is none.
    [[nodiscard]] Instant next() const { return heap_.empty() ? Instant::max() : heap_.front().at; }
    /// Takes out one whose moment has come; null where there is none.
    [[nodiscard]] Sa* take_due(Instant now);

   private:
    struct Entry {
        Instant at;
        Sa* sa;
    };
    void put(std::size_t slot, Entry entry);
    void rise(std::size_t slot);
    void sink(std::size_t slot);

    std::vector<Entry> heap_;
};

}  // namespace keysluice::ike
