#pragma once

#include "ike/exchange.hpp"

namespace keysluice::ike {

// CHILD SAs that come to stand beside those of another IKE SA, and send nothing until their turn has come. Whoever
// made a new IKE SA in the place of an old one can't receive on it before our answer has come, and we can't know when
// it is there; so each end begins with the inbound half, as in a rekeying, and goes on sending through the old one.
// Then the turn comes:
//
// - of who leads, when all that is to be there has its inbound half (reauthentication.cpp);
// - of the other end, when the old IKE SA is deleted, or after a while: a peer that has forgotten the old one without
//   a word (no INITIAL_CONTACT) hears nothing on it.
//
// From then on it is a rekeying: the outbound half takes over from the old one, whose inbound half lingers.

/// Whether it waits for its turn.
[[nodiscard]] bool waits_for_turn(const ChildSa& child);
/// Whether it waits to take over from the other one.
[[nodiscard]] bool is_next(const ChildSa& child, const ChildSa& old);
/// The one of `in` that waits to take over from the CHILD SA; null: none.
[[nodiscard]] ChildSa* next_of(Sa& in, const ChildSa& old);

/// The peer leads, and an IKE SA of it stands beside.
void wait_for_turn(const Context& context, ChildSa& child);
/// Its turn has come, and there is nothing from which it could take over.
void take_turn(Context& context, Sa& sa, ChildSa& child);
void take_turns(Context& context, Sa& sa);
/// The turn of those that have waited long enough.
void take_due_turns(Context& context, Sa& sa);
/// The turn of `next`, which is one of `sa`: `old`, of another IKE SA, goes to where it is and lingers.
void follow_turn(Context& context, Sa& sa, const ChildSa& next, ChildSa old);

// The first CHILD SA of an IKE SA that comes in the place of another one is *prepared*: all that its keys are made of
// (RFC 7296 section 2.17) is known before the peer answers IKE_AUTH. Its inbound half is installed as the old one is,
// before the request goes out: many a peer sends through it before its answer is here.

/// Its outbound SPI is the peer's to say.
[[nodiscard]] bool is_prepared(const ChildSa& child);
/// Before IKE_AUTH goes out. Where what stands is not what will be asked for, there is nothing to prepare.
void prepare_child(Context& context, Sa& sa);
/// What the kernel says to that.
void on_prepared(Sa& sa, EspSpi inbound, bool installed);
/// The peer has accepted `child`: true where it is what was prepared and has taken its place.
[[nodiscard]] bool take_prepared(Context& context, Sa& sa, const ChildSa& child);
/// What was prepared in vain.
void drop_prepared(Context& context, Sa& sa);

}  // namespace keysluice::ike
