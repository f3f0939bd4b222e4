#pragma once

#include "ike/exchange.hpp"

namespace keysluice::ike {

// Making CHILD SAs, new ones and the successors of old ones (RFC 7296 sections 1.3.1, 1.3.3, 2.8).

/// What the keys of a CHILD SA are made of.
struct ChildMaterial {
    Nonces nonces;
    const crypto::SharedSecret* shared = nullptr;  ///< null: without a key exchange of its own
};

/// An offer for a new CHILD SA, or for the successor of `old`. In IKE_AUTH there is no KE payload, so there the offer
/// has no groups.
[[nodiscard]] ChildOffer new_offer(Context& context, const Sa& sa, const ChildRule& rule, const ChildSa* old,
                                   bool with_group);
/// The offer's payloads as they ride in IKE_AUTH.
void add_offer(Payloads& payloads, const Sa& sa, const ChildOffer& offer);

// ---- initiator of the exchange

/// Sends CREATE_CHILD_SA; nothing where the CHILD SA to rekey is no longer there.
void start_create_child(Context& context, Sa& sa, ChildOffer& offer);
void on_create_child_response(Context& context, Sa& sa, ChildOffer offer, const Incoming& message);
/// What the response, of IKE_AUTH or CREATE_CHILD_SA, makes of the offer. `nonces` are those of the exchange.
void finish_child_offer(Context& context, Sa& sa, ChildOffer offer, const Payloads& payloads, const Nonces& nonces,
                        const crypto::SharedSecret* shared);

// ---- responder of the exchange

void on_create_child_request(Context& context, Sa& sa, const Incoming& message);
/// Answers the CHILD SA's part of an IKE_AUTH, behind `payloads`.
void answer_child_request(Context& context, Sa& sa, const Incoming& message, Payloads payloads,
                          const ChildMaterial& material);

// ---- both

void on_child_installed(Context& context, Sa& sa, EspSpi inbound, Result<void> result);
/// The CHILD SA was deleted on both ends: its successor takes over, or it is gone.
void retire_child(Context& context, Sa& sa, EspSpi inbound);
/// Asks for a rekeying of the CHILD SA, if there is none yet.
void rekey_child(Context& context, Sa& sa, const ChildSa& child);

}  // namespace keysluice::ike
