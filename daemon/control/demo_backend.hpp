#pragma once

#include <functional>
#include <list>
#include <string>

#include "base/unique_fd.hpp"
#include "daemon/control/configuration.hpp"
#include "daemon/shared/loop.hpp"

namespace keysluice::control {

/// A plaintext server to try keysluice with: it answers an HTTP GET with a page, and echoes everything else.
class DemoBackend final : Watcher {
   public:
    static constexpr std::size_t kMostConnections = 256;
    static constexpr std::size_t kLargestEcho = 64UL * 1024;

    /// `page` makes the text of the page, for each request anew.
    DemoBackend(Loop& loop, UniqueFd listener, std::function<std::string()> page);
    ~DemoBackend() override;

   private:
    struct Guest final : Watcher {
        Guest(DemoBackend& backend, UniqueFd socket) : owner(backend), fd(std::move(socket)) {}
        void on_events(std::uint32_t events) override;
        [[nodiscard]] bool read_some();
        [[nodiscard]] bool write_some();

        DemoBackend& owner;
        UniqueFd fd;
        std::string to_send;
        bool greeted = false;
        bool ended = false;
        std::list<Guest>::iterator self;
    };

    void on_events(std::uint32_t events) override;

    Loop& loop_;
    UniqueFd listener_;
    std::function<std::string()> page_;
    std::list<Guest> guests_;
};

/// Runs one at `address` until a signal ends it; its page shows the status of the service with this configuration.
/// Returns the exit status of the program.
[[nodiscard]] int run_demo_backend(const std::string& address, const Configuration& configuration);

}  // namespace keysluice::control
