#pragma once

#include "daemon/control/section.hpp"
#include "daemon/shared/service.hpp"

namespace keysluice::control {

/// The key rekey_after: a volume ("1GiB"), a time ("1h"), or one of each in an array. To be read behind the versions.
void read_rekey_after(Section& section, TlsService& service);

}  // namespace keysluice::control
