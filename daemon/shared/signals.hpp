#pragma once

#include <functional>
#include <initializer_list>

#include "base/unique_fd.hpp"
#include "daemon/shared/loop.hpp"

namespace keysluice {

/// Turns signals into events of the loop. They are blocked for the process from construction on; SIGPIPE is ignored.
class Signals final : Watcher {
   public:
    Signals(Loop& loop, std::initializer_list<int> signals, std::function<void(int)> on_signal);
    ~Signals() override;

   private:
    void on_events(std::uint32_t events) override;

    Loop& loop_;
    UniqueFd fd_;
    std::function<void(int)> on_signal_;
};

/// Gives a child process the signals as a program expects them after exec.
void restore_signals();

}  // namespace keysluice
