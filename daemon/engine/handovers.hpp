#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>

#include "daemon/shared/channel.hpp"
#include "daemon/shared/limiter.hpp"
#include "daemon/shared/messages.hpp"
#include "daemon/shared/uplink.hpp"

namespace keysluice {

/// Connections on their way from an engine to its relay. Their sockets stay here, too, until the relay has them for
/// certain: a keeper that dies with messages in its queues loses nothing, its successor is told again.
class Handovers {
   public:
    /// With so many on their way, an engine accepts nothing more.
    static constexpr std::size_t kEnough = 256;
    /// What was negotiated meanwhile has room, too.
    static constexpr std::size_t kMost = 4096;

    explicit Handovers(Uplink& keeper) : keeper_(keeper) {}

    /// False when kMost are on their way; the sockets are closed then. `counted` ends when the relay has it.
    [[nodiscard]] bool give(const Carried& connection, std::shared_ptr<const TrafficSecrets> secrets,
                            Descriptors sockets, CountedConnection counted = {});
    /// The limits are counted in another memory, or others are.
    void count_anew(const std::function<CountedConnection(const Carried&)>& count);
    void on_taken(const Taken& taken);
    /// The keeper is another one, or has not heard the last words.
    void tell_again();

    [[nodiscard]] bool has_room() const { return waiting_.size() < kEnough; }
    [[nodiscard]] bool empty() const { return waiting_.empty(); }

   private:
    struct Waiting {
        Handover handover;
        Descriptors sockets;
        CountedConnection counted;
    };

    void go_on();

    Uplink& keeper_;
    std::uint32_t last_token_ = 0;
    std::map<std::uint32_t, Waiting> waiting_;
    std::deque<std::uint32_t> untold_;
};

}  // namespace keysluice
