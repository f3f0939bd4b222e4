#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/shared/timer.hpp"
#include "dbus/networkmanager/manager_client.hpp"
#include "dbus/networkmanager/request.hpp"
#include "dbus/networkmanager/tunnel.hpp"
#include "org.freedesktop.NetworkManager.VPN.Plugin.adaptor.hpp"

namespace keysluice::networkmanager {

/// NetworkManager's contract on one side, keysluiced on the other, and a Tunnel in between.
class Service final : public sdbus::AdaptorInterfaces<org::freedesktop::NetworkManager::VPN::Plugin_adaptor> {
   public:
    static constexpr const char* kPath = "/org/freedesktop/NetworkManager/VPN/Plugin";

    /// `ended` is called once, when nothing is left to be done.
    Service(Loop& loop, sdbus::IConnection& connection, std::function<void()> ended);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    Service(Service&&) = delete;
    Service& operator=(Service&&) = delete;

    /// As when NetworkManager wants no tunnel any more.
    void stop() { on(DisconnectWanted{}); }

   private:
    void Connect(const Settings& connection) override;
    void ConnectInteractive(const Settings& connection, const bus::Dictionary& details) override;
    std::string NeedSecrets(const Settings& settings) override;
    void NewSecrets(const Settings& connection) override;
    void Disconnect() override;
    void SetConfig(const bus::Dictionary& config) override;
    void SetIp4Config(const bus::Dictionary& config) override;
    void SetIp6Config(const bus::Dictionary& config) override;
    void SetFailure(const std::string& reason) override;
    std::uint32_t State() override { return static_cast<std::uint32_t>(tunnel_.state()); }

    void on(const Event& event);
    void perform(const Actions& actions);
    void show_config(const Standing& tunnel);
    void follow_caller();

    Loop& loop_;
    sdbus::IConnection& connection_;
    std::function<void()> ended_;
    std::unique_ptr<sdbus::IProxy> bus_;
    ManagerClient manager_;
    Tunnel tunnel_;
    Timer timer_;
    std::optional<sdbus::Slot> caller_;  ///< NetworkManager: what it wanted goes with it
};

}  // namespace keysluice::networkmanager
