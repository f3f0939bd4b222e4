#pragma once

#include <functional>

#include "base/result.hpp"
#include "daemon/shared/loop.hpp"
#include "proxy/header_reader.hpp"

namespace keysluice {

/// Takes the PROXY header off a connection that was accepted, before anybody else reads from it.
///
/// `done` is called exactly once, possibly before start() returns; whoever owns the intake destroys it from there by
/// way of Loop::bury only. Errors: those of proxy::HeaderReader, "peer-closed" and "handshake-timeout".
class HeaderIntake final : Watcher, Deadline {
   public:
    using Done = std::function<void(Result<proxy::Header>)>;

    HeaderIntake(Loop& loop, int socket, proxy::Versions versions, Done done);
    ~HeaderIntake() override;

    void start(Instant until);

   private:
    void on_events(std::uint32_t events) override;
    void on_deadline() override;
    void end(Result<proxy::Header> result);
    void leave();

    Loop& loop_;
    int socket_;
    proxy::HeaderReader reader_;
    Done done_;
    bool watched_ = false;
};

}  // namespace keysluice
