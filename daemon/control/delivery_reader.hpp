#pragma once

#include <vector>

#include "daemon/control/configuration.hpp"
#include "daemon/control/section.hpp"

namespace keysluice::control {

/// Whether applications submit connections to the service.
[[nodiscard]] bool takes_submissions(const TlsService& service);

/// Whether all connections of the service come from applications, and so go back there: nobody is connected to.
[[nodiscard]] bool only_submitted(const TlsService& service);

/// A `connect` of the section: connections are not submitted to where they go.
void refuse_submissions(Section& section, const std::vector<Endpoint>& connect, const std::vector<Position>& places);

/// The keys that give sockets to applications: `deliver`, `application_users`, and what these, `listen` and `connect`
/// leave of the other keys, which were read before. Users are looked up, and are numbers from then on.
void read_delivery(Section& section, TlsService& service, const ServiceSource& source);

}  // namespace keysluice::control
