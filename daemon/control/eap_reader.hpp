#pragma once

#include <string_view>

#include "daemon/control/ike_configuration.hpp"
#include "daemon/control/section.hpp"

namespace keysluice::control {

/// The keys of a [[ike.connection]] that are about EAP, once `auth`, `remote_auth`, `remote` and `start` are read:
/// who may prove what by it, as whom, and where the passwords stand. Without EAP they have no effect.
void read_eap(Section& section, std::string_view credentials, IkeConnection& connection);

}  // namespace keysluice::control
