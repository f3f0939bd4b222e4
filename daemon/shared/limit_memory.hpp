#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/instant.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "daemon/shared/messages.hpp"
#include "daemon/shared/sealed_memory.hpp"

namespace keysluice {

/// What all engines and relays count together for the limits of services, in memory that they share: a hash table of
/// cells, one for each service and each client's origin in use. Origin 0 is the service as a whole.
///
/// It is bounded: a key that finds none of its kProbes places free is not counted. A cell without connections whose
/// rate is at rest is free. Two processes that count the first connections of one origin at the very same moment may
/// take two cells for it; what is counted in the second one then is over the limit until it ends.
class LimitMemory {
   public:
    static constexpr std::size_t kCells = 1U << 16U;
    static constexpr std::size_t kProbes = 64;
    /// The first ones, for services as a whole: no number of clients can take them.
    static constexpr std::size_t kServiceCells = 1U << 12U;

    /// What is to be counted.
    struct Key {
        ServiceId service;
        std::uint64_t origin = 0;
    };
    using Cell = std::uint32_t;
    static constexpr Cell kNowhere = kCells;  ///< in no cell
    enum class Outcome : std::uint8_t { counted, over_limit, no_cell };
    struct Counted {
        Outcome outcome = Outcome::no_cell;
        Cell cell = 0;  ///< where it was counted
    };

    /// A new file, in which nothing is counted. Error: `memory-file-failed`.
    [[nodiscard]] static Result<LimitMemory> create(Random& random);
    /// The one behind a descriptor of another process. Error: `memory-file-failed`, also for another size.
    [[nodiscard]] static Result<LimitMemory> open(UniqueFd file);
    [[nodiscard]] int file() const { return memory_.file(); }

    /// One connection more, unless there are `most` already; 0: whatever there is.
    [[nodiscard]] Counted begin(Key key, std::uint32_t most, Instant now);
    /// One less. In no order can it become less than none.
    void end(Cell cell);
    /// One event more, unless that is over `per_second` (with a burst of one second's worth).
    [[nodiscard]] Outcome pass(Key key, std::uint32_t per_second, Instant now);

    [[nodiscard]] std::uint32_t connections(Key key) const;

   private:
    /// `use`: the upper 37 bits are of the key's hash (0: free from the beginning), the lower 27 count. In one
    /// number, so that nobody counts in a cell that has just been given to another key. `due`: the "theoretical
    /// arrival time" of the generic cell rate algorithm (ITU-T I.371), ns of CLOCK_MONOTONIC.
    struct Place {
        std::atomic<std::uint64_t> use;
        std::atomic<std::uint64_t> due;
    };
    struct Header {
        std::uint64_t salt;  ///< so that nobody can choose addresses for one place
    };
    static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "or it would not work between processes");

    static constexpr std::size_t kSize = (kCells * sizeof(Place)) + sizeof(Header);

    [[nodiscard]] Header& header() const;
    [[nodiscard]] std::uint64_t hash(Key key) const;
    [[nodiscard]] Place& place(Key key, std::uint64_t hash, std::size_t probe) const;
    [[nodiscard]] Cell number(const Place& place) const;
    /// The key's place, if need be a free one.
    [[nodiscard]] Place* find(Key key, std::uint64_t hash) const;
    [[nodiscard]] Place* find_or_take(Key key, std::uint64_t hash, Instant now);

    SealedMemory memory_;
};

}  // namespace keysluice
