#pragma once

#include <string>

#include "daemon/control/ike_status.hpp"
#include "daemon/control/tls_sessions.hpp"

namespace keysluice::bus {

/// One IKE SA as one line, with the keys and values of the status document (control/status.hpp). Written by hand:
/// there may be a hundred thousand of them.
void append_json_line(std::string& into, const control::IkeSaView& sa);
/// One TLS session as one line, with the keys of the command's documents.
void append_json_line(std::string& into, const control::TlsSessionView& session, Instant moment);

}  // namespace keysluice::bus
