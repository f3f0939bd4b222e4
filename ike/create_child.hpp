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
/// An offer for a new CHILD SA for whose sake a packet waits; `packet` is looked at where the rule has it.
void offer_for_packet(ChildOffer& offer, const ChildRule& rule, const std::optional<PacketSelectors>& packet);
/// The offer's payloads as they ride in IKE_AUTH.
void add_offer(Payloads& payloads, const Sa& sa, const ChildOffer& offer);

/// Calls `visit` with every offer of the SA that has not come to an end.
template <typename Visit>
void for_offers(const Sa& sa, const Visit& visit) {
    const auto look = [&](const Task& task) {
        if (const auto* offer = std::get_if<ChildOffer>(&task)) {
            visit(*offer);
        }
    };
    if (sa.negotiation && sa.negotiation->child) {
        visit(*sa.negotiation->child);
    }
    if (sa.current) {
        look(*sa.current);
    }
    for (const Task& task : sa.waiting) {
        look(task);
    }
}

/// Whether there is a CHILD SA of this name, or an offer for one.
[[nodiscard]] bool has_child(const Sa& sa, const std::string& name);
/// Whether an offer of ours would replace this CHILD SA.
[[nodiscard]] bool is_to_be_rekeyed(const Sa& sa, EspSpi inbound);

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
/// Nothing is sent through it any more; what is on its way still comes in for Settings::linger.
void let_linger(Context& context, ChildSa& child);
/// The CHILD SA was deleted on both ends: its successor or its twin takes over, or it is gone.
void retire_child(Context& context, Sa& sa, EspSpi inbound);
/// Asks for a rekeying of the CHILD SA, if there is none yet, and sets the time to see what came of it.
void rekey_child(Context& context, Sa& sa, ChildSa& child);

}  // namespace keysluice::ike
