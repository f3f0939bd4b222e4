#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/unique_fd.hpp"
#include "daemon/shared/enclosures.hpp"
#include "daemon/shared/loop.hpp"
#include "daemon/shared/messages.hpp"
#include "daemon/shared/users.hpp"

namespace keysluice {

/// One end of a connection between two of keysluice's processes.
///
/// Packets go out in order. What the other end does not take at once waits in a queue of at most kLongestQueue
/// packets. A packet that is malformed or whose descriptors were cut off (MSG_CTRUNC) closes the channel: half of a
/// message is never acted upon.
class Channel final : Watcher {
   public:
    class Owner {
       public:
        virtual ~Owner() = default;
        virtual void on_message(Channel& channel, Message message, Descriptors descriptors) = 0;
        /// The other end is gone, or broke the format (`why` says so). The channel may be destroyed from here only
        /// by way of Loop::bury.
        virtual void on_closed(Channel& channel, std::string_view why) = 0;
        /// What had to wait in the queue has left.
        virtual void on_drained(Channel& /*channel*/) {}
    };

    static constexpr std::size_t kLongestQueue = 16384;
    /// A service has 64 listening sockets at most, and one memory file. (The kernel's SCM_MAX_FD is 253.)
    static constexpr std::size_t kMostDescriptors = 65;

    Channel(Loop& loop, UniqueFd socket, Owner& owner);
    ~Channel() override;

    /// False when the queue is full, the other end is gone, these are too many descriptors, or one of them is none (a
    /// duplicate for which there was no room); they are closed then.
    [[nodiscard]] bool send(const Message& message, Descriptors descriptors = {});
    [[nodiscard]] std::size_t queued() const { return queue_.size(); }
    /// False: what the other end sends waits in the kernel, and then at the sender.
    void set_reading(bool reading);
    [[nodiscard]] bool open() const { return static_cast<bool>(socket_); }
    /// Effective user of the process at the other end (SO_PEERCRED).
    [[nodiscard]] std::uint32_t peer_uid() const;

   private:
    /// Wipes itself: it may hold secrets.
    struct Packet {
        Packet(std::vector<std::uint8_t> octets, Descriptors beside)
            : body(std::move(octets)), descriptors(std::move(beside)) {}
        Packet(Packet&&) = default;
        Packet& operator=(Packet&&) = delete;
        Packet(const Packet&) = delete;
        Packet& operator=(const Packet&) = delete;
        ~Packet() { wipe(body.data(), body.size()); }

        std::vector<std::uint8_t> body;
        Descriptors descriptors;
    };

    void on_events(std::uint32_t events) override;
    [[nodiscard]] bool receive_one();
    [[nodiscard]] bool write_out(const Packet& packet);
    void flush();
    void watch();
    void close(std::string_view why);

    Loop& loop_;
    UniqueFd socket_;
    Owner& owner_;
    std::deque<Packet> queue_;
    bool reading_ = true;
};

/// Connects to the SEQPACKET socket at `path`.
[[nodiscard]] Result<UniqueFd> connect_channel(const std::string& path);

/// Accepts channels on a SEQPACKET socket, from processes of root, of our own user and of keysluice's other users
/// only.
class ChannelListener final : Watcher {
   public:
    using OnChannel = std::function<void(UniqueFd)>;

    /// Our group may connect to it: the group of all of keysluice's users, where each process has its own.
    [[nodiscard]] static Result<UniqueFd> bind(const std::string& path);
    ChannelListener(Loop& loop, UniqueFd socket, OnChannel on_channel);
    ~ChannelListener() override;

   private:
    void on_events(std::uint32_t events) override;

    Loop& loop_;
    UniqueFd socket_;
    OnChannel on_channel_;
    Users users_ = Users::look_up();
};

}  // namespace keysluice
