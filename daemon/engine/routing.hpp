#pragma once

#include "daemon/shared/service.hpp"
#include "tls/session.hpp"

namespace keysluice {

/// The first of the service's routes that fits what the client asked for and agreed on, in this handshake, even where
/// that resumes another session. Null: none, the service's own `connect` it is.
[[nodiscard]] const Route* choose_route(const TlsService& service, const tls::Summary& session);

}  // namespace keysluice
