#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/random.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "daemon/shared/sealed_memory.hpp"
#include "tls/tickets.hpp"

namespace keysluice {

/// What the tickets of all engines rest on, in memory that they share with keysluiced: the keys, and the counts of
/// those sessions that may be resumed only so often.
///
/// keysluiced makes the keys. The newest one seals, it and the two before it open: with a new one after each half of
/// the longest lifetime, a ticket can be opened for as long as it is good, and no longer than one and a half of it.
/// All engines have a new key at the same moment, since there is one memory; a message would reach one of them before
/// another. It outlives every single process that has it.
class TicketMemory final : public tls::TicketOffice {
   public:
    /// So many sessions with `session_max_uses` are counted at a time; those beyond are not resumed.
    static constexpr std::size_t kPlaces = 1U << 18U;

    /// Until one of these two has succeeded there is no key, and no place to count. Error: `memory-file-failed`, also
    /// for a file of another size.
    [[nodiscard]] Result<void> create();
    [[nodiscard]] Result<void> use(UniqueFd file);
    [[nodiscard]] int file() const { return memory_.file(); }
    /// Keeps the keys out of swap and of core files; false where the system does not allow it.
    [[nodiscard]] bool lock() { return memory_.lock(kPlaces * sizeof(Place)); }

    /// Makes the key that seals from now on, and forgets the oldest one. For keysluiced alone.
    void rotate(Random& random, Instant now);
    /// When the newest key was made; nothing while there is none.
    [[nodiscard]] std::optional<Instant> rotated() const;

    [[nodiscard]] std::optional<tls::TicketKey> sealing_key() const override;
    [[nodiscard]] std::optional<tls::TicketKey> key_named(Bytes name) const override;
    void randomize(MutableBytes bytes) override;
    [[nodiscard]] tls::UseCount begin_count(std::uint32_t most, Instant until, Instant now) override;
    [[nodiscard]] bool count(tls::UseCount of) override;

   private:
    static constexpr std::size_t kKeys = 3;  ///< that open

    /// `left`: the second of CLOCK_MONOTONIC from which on the place is free again, and below it, in 32 bits, the
    /// uses that are left.
    struct Place {
        std::atomic<std::uint64_t> id;
        std::atomic<std::uint64_t> left;
    };
    struct Key {
        std::uint64_t made;  ///< ns of CLOCK_MONOTONIC
        std::array<std::uint8_t, tls::TicketKey::kNameSize> name;
        std::array<std::uint8_t, 32> encryption;
        std::array<std::uint8_t, 32> authentication;
    };
    /// Key number n stands at n modulo the size: the next one is written where nobody reads, and counts when `newest`
    /// says so.
    struct Keys {
        std::atomic<std::uint64_t> newest;  ///< 0: none yet
        std::atomic<std::uint64_t> last_id;
        std::array<Key, kKeys + 1> ring;
    };
    static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "or it would not work between processes");

    static constexpr std::size_t kSize = (kPlaces * sizeof(Place)) + sizeof(Keys);

    [[nodiscard]] bool ready() const { return memory_.file() >= 0; }
    [[nodiscard]] Keys& keys() const;
    [[nodiscard]] static tls::TicketKey copy(const Key& key);

    SealedMemory memory_;
};

}  // namespace keysluice
