#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/keeper/listeners.hpp"
#include "daemon/keeper/relay_share.hpp"
#include "daemon/shared/channel.hpp"
#include "daemon/shared/users.hpp"

namespace keysluice {

/// Holds duplicates of what must outlive a process: listening sockets for keysluiced, connections and pipes for the
/// relays, and the tables that say which is which. It reads nothing from the network.
class Keeper final : public Channel::Owner {
   public:
    /// An engine drains and wants its successor.
    using OnDraining = std::function<void(std::uint16_t engine)>;

    /// `places`: how many connections all relays together may have. keysluiced says how many relays there are; until
    /// then, and above that number, engines and relays wait, unless a relay has outlived a predecessor of this
    /// keeper: what it holds is taken over. `door`: the socket where they call, if it is open already. `listeners`:
    /// those that a predecessor has left.
    [[nodiscard]] static Result<std::unique_ptr<Keeper>> create(Loop& loop, const std::string& runtime_directory,
                                                                std::size_t places, OnDraining on_draining,
                                                                UniqueFd door = {}, Listeners listeners = {});
    ~Keeper() override;

    /// One line on how it is.
    [[nodiscard]] std::string status() const;

   private:
    struct Peer {
        std::unique_ptr<Channel> channel;
        Hello hello;
        std::uint64_t number = 0;  ///< of no other peer, ever
        bool known = false;
        bool asked = false;  ///< a relay: what it holds
        bool empty = false;  ///< a relay: it holds nothing, and has no table
    };

    Keeper(Loop& loop, UniqueFd socket, std::size_t places, OnDraining on_draining, Listeners listeners);
    void on_message(Channel& channel, Message message, Descriptors descriptors) override;
    void on_closed(Channel& channel, std::string_view why) override;
    void on_drained(Channel& channel) override;
    void on_hello(Peer& peer, const Hello& hello);
    void on_control(Peer& peer, const Message& message, Descriptors descriptors);
    void on_engine(Peer& peer, const Message& message, Descriptors descriptors);
    void on_relay(Peer& peer, const Message& message, Descriptors descriptors);
    void on_table(const Peer& relay, Descriptors descriptors);
    void on_all_held(Peer& relay);
    /// The relay is gone.
    void leave(RelayShare& share, const Peer& relay);
    void on_handover(const Peer& engine, const Handover& handover, Descriptors sockets);
    /// A relay gets the share of its number, if it may.
    void serve(Peer& relay);
    /// Engines hear of what their relay has heard of.
    void confirm(RelayShare& share);
    void tell_listeners(Channel& channel);
    void on_engines(std::size_t count);
    /// Engines wait while their relay has no place left.
    void adjust_engines();
    /// Null until the relay has called.
    [[nodiscard]] RelayShare* share_of(std::uint16_t index) {
        const auto found = shares_.find(index);
        return found == shares_.end() ? nullptr : &found->second;
    }

    Loop& loop_;
    std::list<Peer> peers_;
    Listeners listeners_;
    std::map<std::uint16_t, RelayShare> shares_;
    std::size_t engines_ = 0;
    std::uint64_t last_number_ = 0;
    std::size_t places_;  ///< that no relay has yet
    OnDraining on_draining_;
    Users users_ = Users::look_up();
    ChannelListener door_;
};

}  // namespace keysluice
