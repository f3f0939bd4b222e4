#pragma once

#include <string>
#include <vector>

#include "tls/key_schedule.hpp"
#include "tls/openssl.hpp"

namespace keysluice::tls {

/// Has all sessions of a context agree on one of these protocols (RFC 7301), best first; a server's order decides. A
/// peer without the extension is welcome; a client that speaks none of them hears no_application_protocol.
void speak(SSL_CTX* context, Role role, const std::vector<std::string>& protocols);

/// What was agreed on; empty: nothing.
[[nodiscard]] std::string protocol_of(const SSL* ssl);

}  // namespace keysluice::tls
