#pragma once

#include <functional>

#include "base/result.hpp"
#include "daemon/shared/loop.hpp"

namespace keysluice {

/// Looks at the first octet of a connection, and leaves it where it is: does the client speak TLS?
///
/// `done` is called exactly once, possibly before start() returns; whoever owns this destroys it from there by way of
/// Loop::bury only. Errors: "peer-closed" and "handshake-timeout".
class FirstOctet final : Watcher, Deadline {
   public:
    using Done = std::function<void(Result<bool> speaks_tls)>;

    FirstOctet(Loop& loop, int socket, Done done) : loop_(loop), socket_(socket), done_(std::move(done)) {}
    ~FirstOctet() override { leave(); }

    void start(Instant until);

   private:
    void on_events(std::uint32_t events) override;
    void on_deadline() override;
    void end(Result<bool> result);
    void leave();

    Loop& loop_;
    int socket_;
    Done done_;
    bool watched_ = false;
};

}  // namespace keysluice
