#pragma once

#include <set>
#include <string>
#include <vector>

#include "daemon/control/configuration.hpp"
#include "daemon/control/service_reader.hpp"

namespace keysluice::control {

/// What a reload makes of the TLS services, by their names.
struct ServicePlan {
    std::vector<ServiceEntry> serve;  ///< afterwards: in the order of the configuration, then those that stay though
                                      ///< it does not have them
    std::vector<std::string> added;
    std::vector<std::string> changed;  ///< they run, with other settings
    std::vector<std::string> removed;
    /// Not as the configuration says, since an address of theirs stays with one of `failed`, or would be lost to it.
    std::set<std::string> held_back;
    std::vector<Endpoint> opened;  ///< addresses that nobody listened on before
    std::vector<Endpoint> closed;  ///< and those that nobody listens on afterwards
};

/// From the services that run to those of a configuration. What is in `failed` stays as it runs, if it does, and so
/// does whatever can't change without that: no address is served by two, and none is lost because its next owner
/// failed.
[[nodiscard]] ServicePlan plan_services(const std::vector<ServiceEntry>& now, const std::vector<ServiceEntry>& fresh,
                                        const std::set<std::string>& failed);

[[nodiscard]] std::vector<ServiceEntry> services_of(const Configuration& configuration);

/// Puts them in the place of the configuration's.
void set_services(Configuration& configuration, std::vector<ServiceEntry> services);

}  // namespace keysluice::control
