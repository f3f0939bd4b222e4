#pragma once

#include "ike/create_child.hpp"

namespace keysluice::ike {

// What both sides of making a CHILD SA share.

/// The parts of a specification that come from the IKE SA.
[[nodiscard]] ChildSaSpec spec_of(const Sa& sa, const std::string& child, ReqId reqid);
/// What a child of this rule is for: its selectors, and without them the ends of the IKE SA, or the virtual addresses
/// instead. Of an initiator that has yet to get some, all addresses: the responder narrows them to what it gives.
[[nodiscard]] TrafficSelectors local_selectors(const Sa& sa, const ChildRule& rule);
[[nodiscard]] TrafficSelectors remote_selectors(const Sa& sa, const ChildRule& rule);
/// What a message of the peer says of both sides' traffic, as it is seen from here. RFC 7296 section 2.23.1,
/// transport mode: "If the server is behind a NAT, substitute the IP address in the TSr entries with the remote
/// address of the IKE SA." "If the client is behind a NAT, substitute the IP address in the TSi entries with the
/// local address of the IKE SA." The same goes for the responder.
struct SeenTraffic {
    TrafficSelectors local;
    TrafficSelectors remote;
};
[[nodiscard]] SeenTraffic seen_from_here(const Sa& sa, Mode mode, const TrafficSelectors& local,
                                         const TrafficSelectors& remote);
/// The CHILD SA that takes over from this one; ours where a collision left two. Null: none yet.
[[nodiscard]] ChildSa* successor_of(Sa& sa, EspSpi inbound);
/// The offer that the peer has yet to answer; null: none.
[[nodiscard]] ChildOffer* unanswered_offer(Sa& sa);
/// Gives the CHILD SA what its rule says beyond the negotiation: when it is to be rekeyed, up to a tenth earlier, and
/// its offload.
void apply_rule(Context& context, const Sa& sa, ChildSa& child);

}  // namespace keysluice::ike
