#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "daemon/shared/loop.hpp"
#include "dbus/compat.hpp"

namespace keysluice::bus {

/// A connection to a message bus, in a loop of ours.
///
/// While the bus does not take what we have to say, nothing more is read from it: so what waits to be sent stays as
/// little as it is.
class Link final : Watcher, Deadline {
   public:
    /// Called once, from the loop and not from inside a call of ours: the bus is gone.
    using OnLost = std::function<void(const std::string& why)>;

    /// `address` as in DaemonSettings::bus. May block, for 90 s where somebody listens and does not answer.
    /// Fails with "bus-unreachable".
    [[nodiscard]] static Result<std::unique_ptr<Link>> open(Loop& loop, const std::string& address, OnLost on_lost);
    ~Link() override;

    [[nodiscard]] sdbus::IConnection& connection() { return *connection_; }
    /// Something waits to be sent.
    [[nodiscard]] bool congested() const;

    /// Before each turn of the loop: what the connection waits for may be another thing than before.
    void prepare();

   private:
    Link(Loop& loop, std::unique_ptr<sdbus::IConnection> connection, OnLost on_lost);

    void on_events(std::uint32_t /*events*/) override { process(); }
    void on_deadline() override { process(); }
    void process();
    /// What fails here means that the bus is gone.
    void guard(const std::function<void()>& step);

    Loop& loop_;
    std::unique_ptr<sdbus::IConnection> connection_;
    OnLost on_lost_;
    std::uint32_t watched_ = 0;
};

}  // namespace keysluice::bus
