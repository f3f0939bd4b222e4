#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "daemon/shared/sealed_memory.hpp"

namespace keysluice {

/// What each engine has accepted from the unix listening sockets of one service, in memory that all of them share.
///
/// TCP has SO_REUSEPORT: the kernel gives each engine a listening socket and a share of its own. Of a unix socket
/// there is one for all engines, and epoll wakes the same engine again and again. With these counts an engine sees
/// that it is ahead of the others and lets them go first; Acceptor says for how long.
class AcceptBalance {
   public:
    /// So far an engine may be ahead of the last one before it lets the others go first.
    static constexpr std::uint64_t kSlack = 4;

    /// A new memory file for so many engines; keysluiced sends it to each. Error: `memory-file-failed`.
    [[nodiscard]] static Result<UniqueFd> create(std::size_t engines);
    /// The view of one engine. Errors: `memory-file-failed`, also when there is no place for this engine.
    ///
    /// An engine that comes late, or back from the dead, starts level with the last of the others: it is not to catch
    /// up by taking every connection that comes.
    [[nodiscard]] static Result<AcceptBalance> open(UniqueFd file, std::uint16_t engine);

    void count() { own().fetch_add(1, std::memory_order_relaxed); }
    [[nodiscard]] bool is_ahead() const;

   private:
    /// A cache line each: the engines write here at every accept.
    struct alignas(64) Cell {
        std::atomic<std::uint64_t> accepted;
    };
    static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "or it would not work between processes");

    [[nodiscard]] std::atomic<std::uint64_t>& own() { return memory_.as<Cell>()[engine_].accepted; }
    [[nodiscard]] std::uint64_t least_of_the_others() const;

    SealedMemory memory_;
    std::size_t engine_ = 0;
};

}  // namespace keysluice
