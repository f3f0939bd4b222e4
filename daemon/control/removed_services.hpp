#pragma once

#include <map>
#include <set>
#include <vector>

#include "daemon/control/status.hpp"
#include "daemon/shared/messages.hpp"
#include "daemon/shared/service.hpp"

namespace keysluice::control {

/// Services that are configured no more, while connections of them live. Those that a predecessor of this process has
/// removed are known by what engines and relays count for them.
class RemovedServices {
   public:
    void add(TlsService service);
    /// It is configured again.
    void take_back(ServiceId id) { services_.erase(id); }
    /// Null where nothing but its number is known, if that.
    [[nodiscard]] const TlsService* find(ServiceId id) const;
    [[nodiscard]] const std::map<ServiceId, TlsService>& all() const { return services_; }
    /// Whether another look is worth while.
    [[nodiscard]] bool any() const { return any_ || !services_.empty(); }

    /// Those that nobody had a connection of when this was called before, either: what was on its way from one
    /// process to another then has arrived. They are known no more. `counted` is of all engines and relays.
    [[nodiscard]] std::vector<ServiceId> idle(const std::vector<ProcessCounters>& counted,
                                              const std::set<ServiceId>& configured);

   private:
    std::map<ServiceId, TlsService> services_;
    std::set<ServiceId> quiet_;  ///< when idle() was called last
    bool any_ = true;
};

}  // namespace keysluice::control
