#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "base/result.hpp"
#include "base/secret_buffer.hpp"
#include "daemon/shared/loop.hpp"
#include "daemon/shared/service.hpp"

namespace keysluice {

/// Gives a socket to an application: connects to where it listens (SOCK_SEQPACKET), looks whose it is, and sends one
/// packet. What is in its queue is the application's; nobody waits for an answer.
///
/// The service's targets are tried once, beginning with `first`; those whose queue is full again and again, until
/// connect_timeout. `done` is called exactly once, possibly before start() returns; whoever owns this destroys it
/// from there by way of Loop::bury only. Errors: `application-unreachable`; `application-not-permitted`, where
/// somebody else listens.
class Handoff final : Deadline {
   public:
    using Done = std::function<void(Result<void>)>;
    /// The first one; each is twice as long as the one before.
    static constexpr Duration kPause = std::chrono::milliseconds(10);
    static constexpr Duration kLongestPause = std::chrono::milliseconds(500);

    /// `socket` stays the caller's: a duplicate is what the application gets.
    Handoff(Loop& loop, const TlsService& service, std::size_t first, SecretBuffer description, int socket,
            Done done);
    ~Handoff() override { loop_.disarm(*this); }

    void start();

   private:
    enum class Attempt { given, busy, failed };

    void on_deadline() override { try_all(); }
    void try_all();
    /// `answers_` gets what failed.
    [[nodiscard]] Attempt attempt(const Endpoint& target);
    [[nodiscard]] Attempt note(const Endpoint& target, std::string_view answer);

    Loop& loop_;
    const TlsService& service_;
    std::size_t first_;
    SecretBuffer description_;
    int socket_;
    Done done_;
    Instant until_{};
    Duration pause_ = kPause;
    std::string answers_;
    bool others_listen_ = false;
};

}  // namespace keysluice
