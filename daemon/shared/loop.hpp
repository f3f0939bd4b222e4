#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "base/instant.hpp"
#include "base/unique_fd.hpp"

namespace keysluice {

/// Something that waits for events of one file descriptor.
class Watcher {
   public:
    Watcher() = default;
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;
    virtual ~Watcher() = default;
    /// `events` as epoll_wait(2) reports them.
    virtual void on_events(std::uint32_t events) = 0;
};

/// Something that waits for a point in time. It fires once for each time it was armed.
class Deadline {
   public:
    Deadline() = default;
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;
    virtual ~Deadline() = default;
    virtual void on_deadline() = 0;

   private:
    friend class Loop;
    Instant at_{};
    bool armed_ = false;
};

/// One epoll loop, for one thread.
///
/// A watcher may be removed, and any object may be given to `bury`, at any time, from inside a handler too: events
/// that the kernel already reported for a removed watcher are dropped, and buried objects die after the round.
class Loop {
   public:
    Loop();

    void add(int fd, std::uint32_t events, Watcher& watcher);
    void modify(int fd, std::uint32_t events, Watcher& watcher);
    void remove(int fd, const Watcher& watcher);
    /// For a descriptor of which nobody holds a duplicate: close() takes it out of epoll, this saves the system call.
    void forget(const Watcher& watcher);

    void arm(Deadline& deadline, Instant at);
    void disarm(Deadline& deadline);

    /// Runs `task` once, after the events of this round were handled.
    void defer(std::function<void()> task) { deferred_.push_back(std::move(task)); }
    /// Destroys the object after this round.
    template <typename Owner>
    void bury(Owner owner) {
        defer([body = std::make_shared<Owner>(std::move(owner))] { static_cast<void>(body); });
    }

    void run();
    void stop() { running_ = false; }
    /// One round: waits at most `longest`, handles what is there. For `run` and for tests.
    void turn(Duration longest);

    /// How long the longest round kept everybody else waiting since this was last asked, from the return of
    /// epoll_wait on; the round that is under way does not count.
    [[nodiscard]] Duration take_longest_round() { return std::exchange(longest_round_, Duration::zero()); }

   private:
    [[nodiscard]] int timeout_for(Duration longest) const;
    void fire_deadlines();
    void run_deferred();

    UniqueFd epoll_;
    bool running_ = false;
    std::set<std::pair<Instant, Deadline*>> deadlines_;
    std::vector<std::function<void()>> deferred_;
    std::array<epoll_event, 128> batch_{};
    std::span<epoll_event> left_;
    Duration longest_round_{};
};

}  // namespace keysluice
