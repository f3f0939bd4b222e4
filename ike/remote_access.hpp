#pragma once

#include "ike/exchange.hpp"

namespace keysluice::ike {

// Virtual addresses: the configuration payloads of IKE_AUTH (RFC 7296 section 2.19).

/// Whether we ask the peer for addresses, where we begin.
[[nodiscard]] inline bool asks_for_addresses(const Sa& sa) {
    return !sa.connection->virtual_addresses.empty();
}

/// Initiator: CFG_REQUEST, if we ask. "In all cases, the CP payload MUST be inserted before the SA payload."
void add_request(Context& context, const Sa& sa, Payloads& payloads);
/// Initiator: takes what the peer gave, if we asked, and narrows the offers to it that wait. Without it the
/// connection is of no use. Fails with "no-virtual-address".
[[nodiscard]] Result<void> take_addresses(Context& context, Sa& sa, const Payloads& payloads);

/// A CHILD SA that can't be, and what the peer is told. The IKE SA stands (section 2.21.2).
struct NoAddress {
    wire::NotifyType notify = wire::NotifyType::internal_address_failure;
    Error error;
};
/// Responder: gives the peer addresses, if it asks, and adds CFG_REPLY; nothing where none are configured and it does
/// not ask.
[[nodiscard]] std::optional<NoAddress> assign_addresses(Context& context, Sa& sa, const Payloads& request,
                                                        Payloads& answer);

}  // namespace keysluice::ike
