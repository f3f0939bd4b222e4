#pragma once

#include <string>

#include "daemon/control/ike_status.hpp"

namespace keysluice::bus {

/// One IKE SA as one line, with the keys and values of the status document (control/status.hpp). Written by hand:
/// there may be a hundred thousand of them.
void append_json_line(std::string& into, const control::IkeSaView& sa);

}  // namespace keysluice::bus
