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
#include "daemon/shared/users.hpp"

namespace keysluice {

/// Holds duplicates of what must outlive a process: listening sockets for keysluiced, connections and pipes for the
/// relays, and the tables that say which is which. It reads nothing from the network.
class Keeper final : public Channel::Owner {
   public:
    /// An engine drains and wants its successor.
    using OnDraining = std::function<void(std::uint16_t engine)>;

    /// A relay has at most so many connections.
    static constexpr std::size_t kMostSlots = 65536;

    /// `places`: how many connections all relays together may have. keysluiced says how many relays there are; until
    /// then, and above that number, engines and relays wait. `door`: the socket where they call, if it is open
    /// already.
    [[nodiscard]] static Result<std::unique_ptr<Keeper>> create(Loop& loop, const std::string& runtime_directory,
                                                                std::size_t places, OnDraining on_draining,
                                                                UniqueFd door = {});
    ~Keeper() override;

    /// One line on how it is.
    [[nodiscard]] std::string status() const;

   private:
    struct Peer {
        std::unique_ptr<Channel> channel;
        Hello hello;
        bool known = false;
    };

    Keeper(Loop& loop, UniqueFd socket, std::size_t places, OnDraining on_draining);
    void on_message(Channel& channel, Message message, Descriptors descriptors) override;
    void on_closed(Channel& channel, std::string_view why) override;
    void on_drained(Channel& channel) override;
    void on_hello(Peer& peer, const Hello& hello);
    void on_control(Peer& peer, const Message& message, Descriptors descriptors);
    void on_engine(Peer& peer, const Message& message, Descriptors descriptors);
    void on_relay(Peer& peer, const Message& message, Descriptors descriptors);
    void tell_listeners(Channel& channel);
    void on_engines(std::size_t count);
    /// Engines wait while their relay has no place left.
    void adjust_engines();
    /// Null above the number of relays.
    [[nodiscard]] RelayShare* share_of(std::uint16_t index) {
        return index < shares_.size() ? &shares_[index] : nullptr;
    }

    Loop& loop_;
    std::list<Peer> peers_;
    std::map<std::string, UniqueFd> listeners_;
    std::vector<RelayShare> shares_;
    std::size_t places_;  ///< that no relay has yet
    OnDraining on_draining_;
    Users users_ = Users::look_up();
    ChannelListener door_;
};

}  // namespace keysluice
