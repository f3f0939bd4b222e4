#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "base/result.hpp"
#include "netlink/listener.hpp"
#include "netlink/messages.hpp"

namespace keysluice::netlink {

/// What a listener hears, one `Event` after the other. A `Lost` is what is read where the kernel dropped messages.
template <typename Event, typename Lost>
class EventReader {
   public:
    /// Of a message's type and payload. Nothing comes of messages that are about something else.
    using Decode = Result<std::optional<Event>> (*)(std::uint16_t type, Bytes payload);

    EventReader(Listener listener, Decode decode) : listener_(std::move(listener)), decode_(decode) {}

    [[nodiscard]] int fd() const { return listener_.fd(); }

    /// Nothing: for now. A failure concerns one message; go on.
    [[nodiscard]] Result<std::optional<Event>> next() {
        using Received = Listener::Received;
        while (true) {
            while (!pending_.empty()) {
                auto event = std::move(pending_.front());
                pending_.pop_front();
                if (!event || *event) {
                    return event;
                }
            }
            const auto received = listener_.receive([this](const nlmsghdr& message) {
                pending_.push_back(decode_(message.nlmsg_type, payload_of(message)));
            });
            if (!received) {
                return std::unexpected(received.error());
            }
            switch (*received) {
                case Received::nothing:
                    return std::nullopt;
                case Received::lost:
                    return Event(Lost{});
                case Received::messages:
                    break;
            }
        }
    }

   private:
    Listener listener_;
    Decode decode_;
    std::deque<Result<std::optional<Event>>> pending_;
};

}  // namespace keysluice::netlink
