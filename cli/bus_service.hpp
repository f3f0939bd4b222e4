#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cli/service.hpp"

namespace sdbus {
class IConnection;
class IProxy;
}  // namespace sdbus

namespace keysluice::cli {

/// keysluiced as the bus shows it. It connects with the first question, and never starts the service: who asks how it
/// is does not want it to be otherwise. So a command that asks nobody works without a bus.
class BusService final : public Service {
   public:
    /// "system" or a D-Bus address.
    explicit BusService(std::string address);
    ~BusService() override;
    BusService(const BusService&) = delete;
    BusService& operator=(const BusService&) = delete;
    BusService(BusService&&) = delete;
    BusService& operator=(BusService&&) = delete;

    [[nodiscard]] Result<Manager> manager() override;
    [[nodiscard]] Result<std::vector<IkeSa>> ike_sas(const SaFilter& filter) override;
    [[nodiscard]] Result<std::vector<TlsSession>> tls_sessions(const TlsFilter& filter) override;
    [[nodiscard]] Result<Configured> configured() override;
    [[nodiscard]] Result<void> count(TlsService& service) override;
    [[nodiscard]] Result<void> count(IkeSa& sa) override;
    [[nodiscard]] Result<std::uint32_t> up(const std::string& name, const Wish& wish) override;
    [[nodiscard]] Result<std::uint32_t> down(const std::string& name, const Wish& wish) override;
    [[nodiscard]] Result<std::uint32_t> rekey(const std::string& name, const Wish& wish) override;
    [[nodiscard]] Result<void> down(std::uint64_t ike_spi, const Wish& wish) override;
    [[nodiscard]] Result<void> rekey(std::uint64_t ike_spi, const Wish& wish) override;
    [[nodiscard]] Result<std::uint32_t> reauthenticate(const std::string& name, const Wish& wish) override;
    [[nodiscard]] Result<void> reauthenticate(std::uint64_t ike_spi, const Wish& wish) override;
    [[nodiscard]] Result<void> close_session(std::uint64_t id, const Wish& wish) override;
    [[nodiscard]] Result<std::uint32_t> reload(const Wish& wish) override;
    [[nodiscard]] Result<std::string> policies(const PolicyCall& call) override;
    [[nodiscard]] Result<void> follow(Follower& follower) override;

   private:
    template <typename T>
    Result<T> ask(bool interactive, const std::function<T(sdbus::IConnection&)>& question);
    Result<void> reach();

    std::string address_;
    std::unique_ptr<sdbus::IConnection> connection_;
    std::map<std::string, std::string> paths_;  ///< of TLS services by name, as configured() saw them
};

}  // namespace keysluice::cli
