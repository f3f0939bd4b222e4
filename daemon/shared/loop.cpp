#include "daemon/shared/loop.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "daemon/shared/clock.hpp"

namespace keysluice {

namespace {

// A descriptor that epoll refuses is a bug of ours, and so is a lost one: going on would leave a connection
// unwatched.
void must(int status) {
    if (status != 0) {
        std::abort();
    }
}

}  // namespace

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    must(epoll_ ? 0 : -1);
}

void Loop::add(int fd, std::uint32_t events, Watcher& watcher) {
    epoll_event event{.events = events, .data = {.ptr = &watcher}};
    must(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event));
}

void Loop::modify(int fd, std::uint32_t events, Watcher& watcher) {
    epoll_event event{.events = events, .data = {.ptr = &watcher}};
    must(epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event));
}

void Loop::remove(int fd, const Watcher& watcher) {
    // A duplicate of the descriptor may live in the keeper: closing ours would leave the registration behind.
    must(epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr));
    forget(watcher);
}

void Loop::forget(const Watcher& watcher) {
    for (epoll_event& event : left_) {
        if (event.data.ptr == &watcher) {
            event.data.ptr = nullptr;
        }
    }
}

void Loop::arm(Deadline& deadline, Instant at) {
    if (deadline.armed_ && deadline.at_ == at) {
        return;
    }
    disarm(deadline);
    deadline.at_ = at;
    deadline.armed_ = true;
    deadlines_.emplace(at, &deadline);
}

void Loop::disarm(Deadline& deadline) {
    if (std::exchange(deadline.armed_, false)) {
        deadlines_.erase({deadline.at_, &deadline});
    }
}

void Loop::run() {
    running_ = true;
    while (running_) {
        turn(std::chrono::hours(1));
    }
}

int Loop::timeout_for(Duration longest) const {
    if (!deferred_.empty()) {
        return 0;
    }
    Duration wait = longest;
    if (!deadlines_.empty()) {
        wait = std::clamp(deadlines_.begin()->first - now(), Duration::zero(), longest);
    }
    // Rounded up: waking a moment too early would spin until the deadline.
    return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(wait).count());
}

void Loop::turn(Duration longest) {
    const int count = epoll_wait(epoll_.get(), batch_.data(), static_cast<int>(batch_.size()), timeout_for(longest));
    must(count >= 0 || errno == EINTR ? 0 : -1);
    const Instant began = now();
    left_ = std::span(batch_).first(static_cast<std::size_t>(std::max(count, 0)));
    while (!left_.empty()) {
        const epoll_event event = left_.front();
        left_ = left_.subspan(1);
        if (event.data.ptr != nullptr) {
            static_cast<Watcher*>(event.data.ptr)->on_events(event.events);
        }
    }
    fire_deadlines();
    run_deferred();
    longest_round_ = std::max(longest_round_, now() - began);
}

void Loop::fire_deadlines() {
    const Instant at = now();
    while (!deadlines_.empty() && deadlines_.begin()->first <= at) {
        Deadline& deadline = *deadlines_.begin()->second;
        disarm(deadline);
        deadline.on_deadline();
    }
}

void Loop::run_deferred() {
    // A task may defer another one: that one runs in the next round, so that no task can keep the loop from epoll.
    const auto tasks = std::exchange(deferred_, {});
    for (const auto& task : tasks) {
        task();
    }
}

}  // namespace keysluice
