#pragma once

#include <chrono>

#include "daemon/control/configuration.hpp"

namespace keysluice::control {

/// Loads every certificate, key and CA file as an engine would, and reports what is wrong at the line that names it.
[[nodiscard]] Diagnostics check_files(const Configuration& configuration, std::chrono::system_clock::time_point now);

/// The line to blame for an error of tls::Context. What is said of a file begins with the file's name.
[[nodiscard]] const Position& blame(const TlsService& service, const ServiceSource& source, std::string_view reason,
                                    std::string_view sentence);

/// Looks the host names in `connect`, the service's and its routes', up and puts their addresses in their place, so
/// that nothing waits for DNS while it serves. Blocks. A name that can't be found is reported.
[[nodiscard]] Diagnostics resolve_hosts(Configuration& configuration);
[[nodiscard]] Diagnostics resolve_hosts(TlsService& service, ServiceSource& source);

/// 0 engines means one for each CPU. Where IKE is all that is configured, there is nothing for engines to do.
void choose_engines(Configuration& configuration);

}  // namespace keysluice::control
