#pragma once

#include <memory>
#include <string>

#include "daemon/shared/channel.hpp"
#include "daemon/shared/loop.hpp"
#include "daemon/shared/messages.hpp"

namespace keysluice {

/// A channel to the keeper or to keysluiced that comes back by itself: while the other end is away it tries again
/// every kRetry, and says hello each time.
class Uplink final : public Channel::Owner, Deadline {
   public:
    static constexpr Duration kRetry = std::chrono::milliseconds(20);

    class Owner {
       public:
        virtual ~Owner() = default;
        virtual void on_message(Uplink& uplink, Message message, Descriptors descriptors) = 0;
        /// After hello was said; everything that the other end must know is to be told again.
        virtual void on_connected(Uplink& uplink) = 0;
        /// What had to wait for the other end has left.
        virtual void on_drained(Uplink& /*uplink*/) {}
    };

    Uplink(Loop& loop, std::string path, Hello hello, Owner& owner);
    ~Uplink() override;

    /// Tries at once, and from then on until it succeeds.
    void connect() { on_deadline(); }
    /// False when the other end is away or its queue is full; the descriptors are closed then.
    [[nodiscard]] bool send(const Message& message, Descriptors descriptors = {});
    [[nodiscard]] std::size_t queued() const { return channel_ ? channel_->queued() : 0; }
    [[nodiscard]] bool connected() const { return channel_ != nullptr; }

   private:
    void on_message(Channel& channel, Message message, Descriptors descriptors) override;
    void on_closed(Channel& channel, std::string_view why) override;
    void on_drained(Channel& channel) override;
    void on_deadline() override;

    Loop& loop_;
    std::string path_;
    Hello hello_;
    Owner& owner_;
    std::unique_ptr<Channel> channel_;
};

}  // namespace keysluice
