#pragma once

#include <string_view>

#include "daemon/control/section.hpp"
#include "daemon/control/service_reader.hpp"

namespace keysluice::control {

/// The keys `ocsp` and `alpn`, the tables [[tls.service.certificates]] and [[tls.service.routes]]. Call it when the
/// mode is known; `credentials` as for read_configuration().
void read_certificates_and_routes(Section& section, std::string_view credentials, ServiceEntry& entry,
                                  Diagnostics& diagnostics);

}  // namespace keysluice::control
