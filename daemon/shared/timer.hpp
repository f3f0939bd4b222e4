#pragma once

#include <functional>
#include <utility>

#include "daemon/shared/loop.hpp"

namespace keysluice {

/// A Deadline that calls a function, for objects that wait for more than one point in time.
class Timer final : Deadline {
   public:
    Timer(Loop& loop, std::function<void()> then) : loop_(loop), then_(std::move(then)) {}
    ~Timer() override { loop_.disarm(*this); }

    void arm(Instant at) { loop_.arm(*this, at); }
    void disarm() { loop_.disarm(*this); }

   private:
    void on_deadline() override { then_(); }

    Loop& loop_;
    std::function<void()> then_;
};

}  // namespace keysluice
