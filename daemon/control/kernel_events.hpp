#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "daemon/shared/log.hpp"
#include "daemon/shared/loop.hpp"

namespace keysluice::control {

/// Wakes up when the kernel has something to tell on its own, and passes it on. `Source` is xfrm::Events or
/// netlink::LinkEvents.
template <typename Source>
class KernelEvents final : Watcher {
   public:
    using Event = decltype(std::declval<Source>().next())::value_type::value_type;
    using Hear = std::function<void(const Event&)>;
    /// How many are passed on before others get their turn.
    static constexpr int kEventsPerTurn = 64;

    /// `about`: for the log, and of static storage.
    KernelEvents(Loop& loop, Source source, std::string_view about, Hear hear)
        : loop_(loop), source_(std::move(source)), about_(about), hear_(std::move(hear)) {
        loop_.add(source_.fd(), EPOLLIN, *this);
    }
    ~KernelEvents() override { loop_.remove(source_.fd(), *this); }

   private:
    void on_events(std::uint32_t /*events*/) override {
        for (int i = 0; i < kEventsPerTurn; ++i) {
            const auto next = source_.next();
            if (!next) {
                log_peer_failure(about_, next.error());
                continue;
            }
            const std::optional<Event>& event = *next;
            if (!event) {
                return;
            }
            hear_(*event);
        }
    }

    Loop& loop_;
    Source source_;
    std::string_view about_;
    Hear hear_;
};

}  // namespace keysluice::control
