#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "daemon/control/ike_configuration.hpp"
#include "daemon/control/ike_sockets.hpp"
#include "daemon/control/ike_status.hpp"
#include "daemon/control/kernel_thread.hpp"
#include "daemon/control/translate.hpp"
#include "daemon/shared/system_random.hpp"
#include "daemon/shared/timer.hpp"
#include "ike/endpoint.hpp"
#include "xfrm/kernel.hpp"

namespace keysluice::control {

/// IKE at run time: what comes from sockets, kernel and clock goes into ike::Endpoint, and what it wants done goes
/// out to them and into the log.
class IkeService final : IkeSockets::Owner {
   public:
    /// How long the peers may take to hear that everything ends.
    static constexpr Duration kFarewell = std::chrono::seconds(2);
    /// Between attempts to start a connection to which there is no way.
    static constexpr Duration kNoRoutePause = std::chrono::seconds(5);

    enum class Kernel : std::uint8_t {
        real,
        null,  ///< SAs are negotiated and never installed: for benchmarks
    };

    /// Binds the sockets, opens the kernel, starts the connections that are to be up. The configuration's secrets are
    /// loaded and its names looked up. Fails as IkeSockets, xfrm::Kernel and probe_for_ike() do.
    [[nodiscard]] static Result<std::unique_ptr<IkeService>> start(Loop& loop, const IkeConfiguration& configuration,
                                                                   Kernel kernel);
    ~IkeService() override;

    /// Closes all IKE SAs and takes everything out of the kernel. `done` is called once, after kFarewell at the
    /// latest.
    void stop(std::function<void()> done);

    [[nodiscard]] IkeView view() const;

   private:
    /// Wakes up when the kernel has something to tell.
    class KernelEvents final : Watcher {
       public:
        KernelEvents(Loop& loop, xfrm::Events events, IkeService& owner);
        ~KernelEvents() override;
        [[nodiscard]] Result<std::optional<xfrm::Event>> next() { return events_.next(); }

       private:
        void on_events(std::uint32_t /*events*/) override { owner_.on_kernel_events(); }

        Loop& loop_;
        xfrm::Events events_;
        IkeService& owner_;
    };
    /// How many are handled before others get their turn.
    static constexpr int kEventsPerTurn = 64;

    IkeService(Loop& loop, const IkeConfiguration& configuration);

    /// Shared, since std::function wants to be able to copy what it holds.
    [[nodiscard]] Result<std::shared_ptr<xfrm::Kernel>> open_kernel();
    void on_datagram(const UdpEndpoint& local, const UdpEndpoint& remote, Bytes bytes) override;
    void begin_connections();
    [[nodiscard]] bool begin(const IkeConnection& connection);
    /// Outer addresses of a connection that starts here.
    struct Ends {
        IpAddress local;
        IpAddress remote;
    };
    [[nodiscard]] static Result<Ends> ends_of(const ike::Connection& rules);
    void initiate(const std::string& connection, const std::string& child, const Ends& ends);
    void trap(const ike::Connection& rules, const Ends& ends);
    void on_kernel_events();
    void on_kernel_event(const xfrm::Acquire& event);
    void on_kernel_event(const xfrm::Expire& event);
    void on_kernel_event(const xfrm::MappingChange& /*event*/) {}  // an authenticated IKE message tells it as well
    void on_kernel_event(const xfrm::Lost& event);
    /// The only door to the endpoint.
    void take(const ike::Event& event);
    void perform(ike::Actions actions);
    void perform(const ike::SendDatagram& action);
    void perform(ike::InstallChild action);
    void perform(ike::InstallOutbound action);
    void perform(const ike::RemoveChild& action);
    void perform(const ike::RemoveOutbound& action);
    void perform(const ike::Report& report);
    /// Changes of which nobody waits for the result.
    void submit(xfrm::Transaction transaction, std::string what);
    [[nodiscard]] Duration rekey_time(const ike::ChildSaSpec& spec) const;
    void check_farewell();
    void finish();

    IkeConfiguration configuration_;
    SystemRandom random_;
    ike::Endpoint endpoint_;
    Translator translator_;
    std::unique_ptr<IkeSockets> sockets_;
    std::unique_ptr<KernelThread> kernel_;  ///< null with Kernel::null
    std::unique_ptr<KernelEvents> events_;
    std::deque<ike::Event> answers_;  ///< of what needed no kernel
    std::vector<const IkeConnection*> unreachable_;
    Timer deadline_;
    Timer retry_;
    Timer farewell_;
    std::function<void()> on_stopped_;
};

}  // namespace keysluice::control
