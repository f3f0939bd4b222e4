#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/keeper/relay_share.hpp"
#include "daemon/shared/channel.hpp"

namespace keysluice {

/// Holds duplicates of what must outlive a process: listening sockets for keysluiced, connections and pipes for the
/// relays, and the tables that say which is which. It reads nothing from the network.
class Keeper final : public Channel::Owner {
   public:
    /// An engine drains and wants its successor.
    using OnDraining = std::function<void(std::uint16_t engine)>;

    /// `slots` is how many connections each of the `relays` may have.
    [[nodiscard]] static Result<std::unique_ptr<Keeper>> create(Loop& loop, const std::string& runtime_directory,
                                                                std::size_t relays, std::size_t slots,
                                                                OnDraining on_draining);
    ~Keeper() override;

   private:
    struct Peer {
        std::unique_ptr<Channel> channel;
        Hello hello;
        bool known = false;
    };

    Keeper(Loop& loop, UniqueFd socket, std::vector<RelayShare> shares, OnDraining on_draining);
    void on_message(Channel& channel, Message message, Descriptors descriptors) override;
    void on_closed(Channel& channel, std::string_view why) override;
    void on_drained(Channel& channel) override;
    void on_hello(Peer& peer, const Hello& hello);
    void on_control(Peer& peer, const Message& message, Descriptors descriptors);
    void on_engine(Peer& peer, const Message& message, Descriptors descriptors);
    void on_relay(Peer& peer, const Message& message, Descriptors descriptors);
    void tell_listeners(Channel& channel);
    /// Engines wait while their relay has no place left.
    void adjust_engines();
    [[nodiscard]] RelayShare& share_of(std::uint16_t index) { return shares_[index % shares_.size()]; }

    Loop& loop_;
    std::list<Peer> peers_;
    std::map<std::string, UniqueFd> listeners_;
    std::vector<RelayShare> shares_;
    OnDraining on_draining_;
    ChannelListener door_;
};

}  // namespace keysluice
