#include "ike/deadlines.hpp"

#include <cassert>
#include <utility>

#include "ike/sa.hpp"

namespace keysluice::ike {

void Deadlines::put(std::size_t slot, Entry entry) {
    heap_[slot] = entry;
    entry.sa->deadline_slot = static_cast<std::uint32_t>(slot);
}

/// Moves the entry up to where no later one is above it.
void Deadlines::rise(std::size_t slot) {
    const Entry entry = heap_[slot];
    while (slot > 0 && entry.at < heap_[(slot - 1) / 2].at) {
        const std::size_t above = (slot - 1) / 2;
        put(slot, heap_[above]);
        slot = above;
    }
    put(slot, entry);
}

/// Moves the entry down to where no earlier one is below it.
void Deadlines::sink(std::size_t slot) {
    const Entry entry = heap_[slot];
    for (std::size_t below = (2 * slot) + 1; below < heap_.size(); below = (2 * slot) + 1) {
        if (below + 1 < heap_.size() && heap_[below + 1].at < heap_[below].at) {
            ++below;
        }
        if (entry.at <= heap_[below].at) {
            break;
        }
        put(slot, heap_[below]);
        slot = below;
    }
    put(slot, entry);
}

void Deadlines::set(Sa& sa, Instant at) {
    if (at == Instant::max()) {
        remove(sa);
    } else if (sa.deadline_slot == Sa::kNoSlot) {
        heap_.push_back({at, &sa});
        rise(heap_.size() - 1);
    } else if (at < heap_[sa.deadline_slot].at) {
        heap_[sa.deadline_slot].at = at;
        rise(sa.deadline_slot);
    }
}

void Deadlines::remove(Sa& sa) {
    const std::size_t slot = std::exchange(sa.deadline_slot, Sa::kNoSlot);
    if (slot == Sa::kNoSlot) {
        return;
    }
    assert(heap_[slot].sa == &sa);
    const Entry last = heap_.back();
    heap_.pop_back();
    if (last.sa != &sa) {
        put(slot, last);
        rise(slot);
        sink(last.sa->deadline_slot);
    }
}

Sa* Deadlines::take_due(Instant now) {
    if (next() > now) {
        return nullptr;
    }
    Sa* const due = heap_.front().sa;
    remove(*due);
    return due;
}

}  // namespace keysluice::ike
