#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "cli/bus_rows.hpp"
#include "dbus/compat.hpp"
#include "org.keysluice1.IkeSa.proxy.hpp"
#include "org.keysluice1.Manager.proxy.hpp"
#include "org.keysluice1.Policies.proxy.hpp"
#include "org.keysluice1.TlsService.proxy.hpp"

namespace keysluice::cli {

inline constexpr const char* kBusName = "org.keysluice1";
inline constexpr const char* kRoot = "/org/keysluice1";

/// `address` as --bus takes it: "system" or a D-Bus address. Error: `bus-unreachable`.
[[nodiscard]] Result<std::unique_ptr<sdbus::IConnection>> connect_to_bus(const std::string& address);

/// The message bus itself.
[[nodiscard]] std::unique_ptr<sdbus::IProxy> bus_proxy(sdbus::IConnection& connection);
/// Whether somebody has the service's name. To ask it does not start it.
[[nodiscard]] bool service_runs(sdbus::IProxy& bus);

class ManagerProxy final : public sdbus::ProxyInterfaces<org::keysluice1::Manager_proxy> {
   public:
    using OnEvents = std::function<void(std::uint64_t first, const std::vector<EventRow>& rows)>;

    /// Events are listened to where somebody wants them.
    explicit ManagerProxy(sdbus::IConnection& connection, OnEvents on_events = {})
        : ProxyInterfaces(connection, bus::BusName{kBusName}, sdbus::ObjectPath{kRoot}),
          on_events_(std::move(on_events)) {
        if (on_events_) {
            registerProxy();
        }
    }
    ~ManagerProxy() { unregisterProxy(); }
    ManagerProxy(const ManagerProxy&) = delete;
    ManagerProxy& operator=(const ManagerProxy&) = delete;
    ManagerProxy(ManagerProxy&&) = delete;
    ManagerProxy& operator=(ManagerProxy&&) = delete;

   private:
    void onEvents(const std::uint64_t& first, const std::vector<EventRow>& rows) override { on_events_(first, rows); }

    OnEvents on_events_;
};

/// Of an interface without signals.
template <typename Interface>
class PlainProxy final : public sdbus::ProxyInterfaces<Interface> {
   public:
    PlainProxy(sdbus::IConnection& connection, const std::string& path)
        : sdbus::ProxyInterfaces<Interface>(connection, bus::BusName{kBusName}, sdbus::ObjectPath{path}) {}
    ~PlainProxy() = default;
    PlainProxy(const PlainProxy&) = delete;
    PlainProxy& operator=(const PlainProxy&) = delete;
    PlainProxy(PlainProxy&&) = delete;
    PlainProxy& operator=(PlainProxy&&) = delete;
};

}  // namespace keysluice::cli
