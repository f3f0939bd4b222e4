#pragma once

#include "ike/events.hpp"
#include "ike/exchange.hpp"

namespace keysluice::ike {

// Mobility and multihoming (RFC 4555): who began the first IKE SA decides between which addresses packets go, tells
// the peer (UPDATE_SA_ADDRESSES), and finds another way where one works no longer. NO_NATS_ALLOWED is checked and
// never sent: NAT traversal is always possible here.

// ---- IKE_AUTH

/// Says that we speak it, and where else we are; as the answer, only where the peer does (agree_on_mobility()).
void offer_mobility(Context& context, Sa& sa, Payloads& payloads);
/// What the peer's IKE_AUTH says about it.
void agree_on_mobility(Context& context, Sa& sa, const Payloads& payloads);

// ---- exchanges of ours

void start_informational(Context& context, Sa& sa, UpdateAddresses& task);
void start_informational(Context& context, Sa& sa, CheckPath& task);
void start_informational(Context& context, Sa& sa, const AnnounceAddresses& task);
void on_update_response(Context& context, Sa& sa, const UpdateAddresses& task, const Incoming& message);
void on_check_response(Context& context, Sa& sa, const CheckPath& task, const Incoming& message);
/// Section 3.8: such a request tells whether a NAT's mapping has changed.
void start_informational(Context& context, Sa& sa, const Liveness& task);
/// We lead, and the peer has not told how it sees us: a NAT may have come or gone between IKE_SA_INIT and IKE_AUTH.
[[nodiscard]] bool is_unseen(const Sa& sa);
void on_liveness_response(Context& context, Sa& sa, const Incoming& message);

/// Sends what is outstanding again; by all paths that there are once the one in use is doubted.
void send_by_paths(Context& context, Sa& sa);
/// An authentic response came this way: where all paths were tried, that one works.
void follow_response(Context& context, Sa& sa, const Ends& came_by);

// ---- requests of the peer

/// Does what an INFORMATIONAL request asks for, and returns what belongs into the response.
[[nodiscard]] Payloads answer_mobility(Context& context, Sa& sa, const Incoming& message);

// ---- what this host tells

/// Whether it is anything to this IKE SA that our addresses or routes have changed (Settings::addresses).
[[nodiscard]] bool heeds_addresses(const Context& context, const Sa& sa);
void on_own_addresses(Context& context, Sa& sa);
void on_paths_found(Context& context, Sa& sa, const PathsFound& event);

// ---- a rekeying

/// `to` takes over: it goes where `from` does, and what the peer may have heard about `from` alone it hears again.
void hand_over_path(Sa& from, Sa& to);

// ---- both ends, with MOBIKE and without

/// Messages go between other ends from now on; the CHILD SAs follow by move_children().
void go(Context& context, Sa& sa, const Ends& ends, Report::Kind kind, const char* reason);
/// Brings the CHILD SAs to where the IKE SA is: their outer addresses, and whether ESP is in UDP.
void move_children(Context& context, Sa& sa);
/// Packets of ESP alone go to this end of the peer's; the IKE SA's messages, and CHILD SAs that are bound to its
/// addresses, stay. Nothing moves while the peer is to prove that it is where it says.
void move_esp(Context& context, Sa& sa, const UdpEndpoint& remote);

}  // namespace keysluice::ike
