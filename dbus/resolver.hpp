#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/control/front_desk.hpp"
#include "dbus/compat.hpp"

namespace keysluice::bus {

/// Tells systemd-resolved (org.freedesktop.resolve1, on the same bus) which resolvers peers gave us with virtual
/// addresses, and for which domains: for the XFRM interface that the connection is behind. It never waits.
///
/// A resolved that comes later, or anew, is told everything. What was told goes with the interface, or is taken back
/// when the last IKE SA that it came from has gone, also where that was in an earlier process.
class Resolver {
   public:
    explicit Resolver(sdbus::IConnection& connection);
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    /// The interfaces of the configuration: what was told about one of them before and is not meant any more is
    /// taken back once all IKE SAs are known.
    void put(const control::Setup& setup);
    void put(const control::IkeSaView& sa);
    void remove(ike::IkeSpi spi);
    /// All IKE SAs are known.
    void settle();

   private:
    struct Servers {
        std::vector<IpAddress> dns;
        std::vector<std::string> domains;  ///< empty: all

        bool operator==(const Servers&) const = default;
    };
    struct FromSa {
        std::string interface;
        Servers servers;
    };

    /// Other than whatever is wanted.
    [[nodiscard]] static Servers unknown() { return {.dns = {IpAddress{}}, .domains = {}}; }
    [[nodiscard]] Servers wanted(const std::string& interface) const;
    void on_owner(const std::string& owner);
    void tell_all();
    void tell(const std::string& interface);
    template <typename... Arguments>
    void call(const char* method, const std::string& interface, const Arguments&... arguments);

    std::unique_ptr<sdbus::IProxy> bus_;
    std::unique_ptr<sdbus::IProxy> resolved_;
    std::optional<sdbus::Slot> owners_;
    bool there_ = false;
    std::map<ike::IkeSpi, FromSa> sas_;
    std::map<std::string, Servers> told_;  ///< by interface, all that it may be necessary to tell about
    bool settled_ = false;
    std::shared_ptr<std::string> failure_ = std::make_shared<std::string>();  ///< the last one in the log
};

}  // namespace keysluice::bus
