#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/unique_fd.hpp"
#include "daemon/shared/messages.hpp"

namespace keysluice {

/// A pipe through which bytes pass from one socket to another without being seen.
struct SplicePipe {
    PipeId id;
    UniqueFd read_end;
    UniqueFd write_end;
    /// So many splices from a socket fit into the empty pipe for certain: an EAGAIN before that speaks of the socket.
    std::size_t certain_fills = 0;
};

/// Pipes that connections borrow while they have bytes on the way: an idle connection holds none. An empty pipe goes
/// back to the pool, so that there are only as many as there were busy directions at once.
class PipePool {
   public:
    /// Called with each pipe that is made, before it is used: the keeper gets duplicates.
    using OnMade = std::function<void(const SplicePipe&)>;
    /// PipeId + 1 must fit into 16 bits of the table.
    static constexpr std::size_t kMost = 65534;

    explicit PipePool(OnMade on_made);

    /// Null when the process has no descriptors left.
    [[nodiscard]] SplicePipe* borrow();
    /// Only an empty pipe comes back.
    void give_back(SplicePipe* pipe) { free_.push_back(pipe); }
    /// A pipe that still holds bytes of a connection that broke: its bytes must never reach another one.
    void empty_and_give_back(SplicePipe* pipe);

    /// A pipe of a predecessor, with its number. Null when that number is taken.
    SplicePipe* inherit(PipeId id, UniqueFd read_end, UniqueFd write_end);
    [[nodiscard]] SplicePipe* find(PipeId id);
    [[nodiscard]] std::size_t size() const { return pipes_.size(); }
    [[nodiscard]] std::size_t unused() const { return free_.size(); }

   private:
    OnMade on_made_;
    std::vector<std::unique_ptr<SplicePipe>> pipes_;
    std::vector<SplicePipe*> free_;
};

}  // namespace keysluice
