#pragma once

#include <deque>
#include <vector>

#include "daemon/shared/channel.hpp"
#include "daemon/shared/connection_table.hpp"

namespace keysluice {

/// What the keeper holds for one relay and would give to its successor.
///
/// A relay hears of things in the pace at which it listens: what it was not told yet waits here, where it costs
/// nothing, and not as duplicates of descriptors in the channel's queue. So no connection is lost to a slow relay.
class RelayShare {
   public:
    /// So many messages may wait in the channel's queue before the others wait here. Each may hold two descriptors.
    static constexpr std::size_t kAhead = 16;

    [[nodiscard]] static Result<RelayShare> create(std::size_t slots);

    /// The relay is here (again): it gets the table, its pipes in their order, and every connection.
    void connect(Channel& channel);
    void disconnect() { channel_ = nullptr; }
    /// The channel has room again.
    void go_on();
    [[nodiscard]] const Channel* channel() const { return channel_; }

    [[nodiscard]] bool full() const { return free_.empty(); }
    [[nodiscard]] std::size_t used() const { return kept_.size() - free_.size(); }

    /// Holds a new connection and tells the relay. Not when full().
    void take(const Handover& connection, Descriptors sockets);
    /// What the relay reports; a slot that is not in use is ignored.
    void attach(Slot slot, UniqueFd plain);
    void keep_pipe(PipeId pipe, Descriptors ends);
    void release(Slot slot);

   private:
    struct Kept {
        UniqueFd tls;
        UniqueFd plain;
        bool told = false;
    };
    struct KeptPipe {
        UniqueFd read_end;
        UniqueFd write_end;
    };

    RelayShare(ConnectionTable table, std::size_t slots);
    [[nodiscard]] bool in_use(Slot slot) const { return slot.value < kept_.size() && kept_[slot.value].tls; }
    [[nodiscard]] bool tell_pipe(std::size_t index);
    [[nodiscard]] bool tell_connection(Slot slot);

    ConnectionTable table_;
    std::vector<Kept> kept_;
    std::vector<Slot> free_;
    std::vector<KeptPipe> pipes_;
    Channel* channel_ = nullptr;
    std::size_t pipes_told_ = 0;
    std::deque<Slot> untold_;
};

}  // namespace keysluice
