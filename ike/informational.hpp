#pragma once

#include "ike/exchange.hpp"

namespace keysluice::ike {

// Deletions, liveness and errors (RFC 7296 section 1.4).

void start_informational(Context& context, Sa& sa, const DeleteChildren& task);
void start_informational(Context& context, Sa& sa, const DeleteIke& task);
void start_informational(Context& context, Sa& sa, const RefuseAuthentication& task);

void on_informational_response(Context& context, Sa& sa, const Task& task, const Incoming& message);
[[nodiscard]] bool deletes_ike(const Payloads& payloads);
void on_informational_request(Context& context, Sa& sa, const Incoming& message);

/// Queues the deletion of the IKE SA, with all that belongs to it; one that is not established just ends.
void close(Context& context, Sa& sa);

}  // namespace keysluice::ike
