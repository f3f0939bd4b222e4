#pragma once

#include <functional>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "daemon/shared/endpoint.hpp"
#include "daemon/shared/loop.hpp"

namespace keysluice {

/// Connects to one of several targets: starts with one of them, goes on to the next when it refuses or does not
/// answer in time, and gives up when each was tried once.
///
/// `done` is called exactly once, possibly before start() returns; whoever owns the connector destroys it from there
/// by way of Loop::bury only. Destroying it earlier cancels the attempt. Error: `backend-unreachable`, with what each
/// target answered.
class Connector final : Watcher, Deadline {
   public:
    using Done = std::function<void(Result<UniqueFd>)>;

    Connector(Loop& loop, const std::vector<Endpoint>& targets, std::size_t first, Duration timeout, Done done);
    ~Connector() override;

    void start() { try_next(); }

   private:
    enum class Attempt { connected, waiting, failed };

    void try_next();
    [[nodiscard]] Attempt attempt(const Endpoint& target);
    void on_events(std::uint32_t events) override;
    void on_deadline() override;
    void give_up_attempt(int error);
    void stop_waiting();

    Loop& loop_;
    const std::vector<Endpoint>& targets_;
    std::size_t next_;
    std::size_t tried_ = 0;
    Duration timeout_;
    Done done_;
    UniqueFd socket_;
    bool waiting_ = false;
    std::string answers_;
};

}  // namespace keysluice
