#pragma once

#include <chrono>
#include <memory>

#include "base/result.hpp"
#include "daemon/shared/service.hpp"
#include "tls/context.hpp"

namespace keysluice {

/// The TLS context that a service's settings ask for, with its certificates and its private key loaded. An engine
/// serves with it; `keysluiced --check` builds it to see whether that would work, without `tickets`. Errors: those of
/// tls::Context.
[[nodiscard]] Result<tls::Context> make_context(const TlsService& service, bool export_keys,
                                                std::chrono::system_clock::time_point now,
                                                const std::shared_ptr<tls::TicketOffice>& tickets = nullptr);

}  // namespace keysluice
