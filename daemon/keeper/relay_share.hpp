#pragma once

#include <sys/types.h>

#include <deque>
#include <optional>
#include <vector>

#include "daemon/shared/channel.hpp"
#include "daemon/shared/connection_table.hpp"

namespace keysluice {

/// What the keeper holds for one relay and would give to its successor.
///
/// A relay hears of things in the pace at which it listens: what it was not told yet waits here, where it costs
/// nothing, and not as duplicates of descriptors in the channel's queue. So no connection is lost to a slow relay.
///
/// After a keeper's death its successor knows nothing. Then a relay that lives brings its table, its pipes and its
/// connections (bring, keep_pipe, restore, complete), and nothing else is taken until that is done.
class RelayShare {
   public:
    /// So many messages may wait in the channel's queue before the others wait here. Each may hold two descriptors.
    static constexpr std::size_t kAhead = 16;
    /// A relay has at most so many connections.
    static constexpr std::size_t kMostSlots = 65536;

    /// A handover, by the number that the keeper gave to the engine's channel and the token that the engine gave to
    /// it.
    struct Origin {
        std::uint64_t engine = 0;
        std::uint32_t token = 0;
        bool operator==(const Origin&) const = default;
    };

    [[nodiscard]] static Result<RelayShare> create(std::size_t slots);
    /// The share of a relay that has outlived the keeper, with its table. Error: `memory-file-failed`, also for a
    /// table of more than kMostSlots.
    [[nodiscard]] static Result<RelayShare> bring(UniqueFd table, Channel& relay);
    [[nodiscard]] bool incomplete() const { return incomplete_; }
    /// One of its connections; it may have released it and taken the place anew meanwhile.
    void restore(Slot slot, Descriptors sockets);
    /// That was all that it holds: what the table has beside that, nobody has.
    void complete();

    /// The relay is here (again): it gets the table, its pipes in their order, and every connection.
    void connect(Channel& channel);
    void disconnect() { channel_ = nullptr; }
    /// The channel has room again.
    void go_on();
    [[nodiscard]] const Channel* channel() const { return channel_; }

    /// Whether its connections can change their keys: the system lets us keep secrets.
    [[nodiscard]] bool keeps_secrets() const { return table_.keeps_secrets(); }
    [[nodiscard]] bool full() const { return free_.empty(); }
    [[nodiscard]] std::size_t places() const { return kept_.size(); }
    [[nodiscard]] std::size_t used() const { return kept_.size() - free_.size(); }

    /// Holds a new connection and tells the relay. Not when full(). Without secrets its keys can't be changed.
    void take(const Carried& connection, Descriptors sockets, Origin origin, const TrafficSecrets* secrets = nullptr);
    /// Whether this socket, maybe by another descriptor, is held.
    [[nodiscard]] bool holds(const UniqueFd& tls) const;
    /// The handovers of which the relay has heard for certain, each once.
    [[nodiscard]] std::vector<Origin> take_heard();
    /// What the relay reports; a slot that is not in use is ignored.
    void attach(Slot slot, UniqueFd plain);
    void keep_pipe(PipeId pipe, Descriptors ends);
    void release(Slot slot);

   private:
    struct Kept {
        UniqueFd tls;
        UniqueFd plain;
        ino_t inode = 0;  ///< of `tls`, and of every duplicate of it
        bool told = false;
        std::optional<Origin> origin;  ///< until the relay has heard of it
    };
    struct KeptPipe {
        UniqueFd read_end;
        UniqueFd write_end;
    };

    RelayShare(ConnectionTable table, std::size_t slots);
    [[nodiscard]] bool in_use(Slot slot) const { return slot.value < kept_.size() && kept_[slot.value].tls; }
    [[nodiscard]] bool tell_pipe(std::size_t index);
    [[nodiscard]] bool tell_connection(Slot slot);
    void heard(Slot slot);

    ConnectionTable table_;
    std::vector<Kept> kept_;
    std::vector<Slot> free_;
    std::vector<KeptPipe> pipes_;
    Channel* channel_ = nullptr;
    std::size_t pipes_told_ = 0;
    std::deque<Slot> untold_;
    std::vector<Slot> on_their_way_;  ///< told, and maybe still in our queue
    std::vector<Origin> heard_;
    bool incomplete_ = false;
};

}  // namespace keysluice
