#pragma once

#include "ike/exchange.hpp"

namespace keysluice::ike {

// What stands twice. Both ends may begin at once, and then there are two IKE SAs, or two CHILD SAs of one kind,
// though one would do. RFC 7296 says nothing of them but what it says of a rekeying at both ends (section 2.8.1): one
// "SHOULD be closed by the endpoint that created it." So that both ends come to the same without a word:
//
// - Of IKE SAs between the same connection, identities and addresses, the one with the highest SPI of its initiator
//   survives; of CHILD SAs of one IKE SA, the one with the highest SPI of its exchange's initiator.
// - Whoever made another one closes it, and nobody else does, once everything that it carries has a twin. What the
//   survivor lacks is asked for first.
// - Not at once, but Settings::patience_with_twins later: a peer with a rule of its own (strongSwan's uniqueids, that
//   of Libreswan) has used it by then. The survivor is asked whether the peer is there, so that nothing is closed for
//   the sake of what the peer has forgotten.
// - Make before break: whoever closes first sends through the twin, and at both ends the old inbound half lingers.
//
// INITIAL_CONTACT is not sent while the peer is beginning at the same time, and says nothing of IKE SAs that were
// established after the one that carries it had begun.

/// In the kernel, both halves of it.
[[nodiscard]] bool carries(const ChildSa& child);
/// Whether it carries all that the other one does.
[[nodiscard]] bool covers(const ChildSa& child, const ChildSa& other);
/// The installed CHILD SA of `in` that carries all that `child` does, the surviving one of several; null: none.
[[nodiscard]] const ChildSa* twin_of(const Sa& in, const ChildSa& child);
/// Whether `sa` has twins for all that `other` carries.
[[nodiscard]] bool stands_for(const Sa& sa, const Sa& other);
/// Whether it is to go on rather than the other one.
[[nodiscard]] bool outlives(const Sa& sa, const Sa& other);

/// Nothing is on its way that could make or replace a CHILD SA.
[[nodiscard]] bool quiet(const Sa& sa);

/// When to see whether what stood in the way of closing one is over, and how long ago a survivor must have been
/// heard.
[[nodiscard]] Duration look_again_after(const Settings& settings);

/// Takes everything that `from` carries to where its twins are, and lets it linger there.
void retire_into(Context& context, Sa& from, Sa& to);
/// Closes an IKE SA for the sake of another one that carries the same.
void retire(Context& context, Sa& sa, Sa& survivor);
/// Closes an IKE SA for the sake of its survivor; or false: that can't be yet.
bool yield_to_twin(Context& context, Sa& sa, Sa& survivor);
/// Closes the CHILD SAs that we made and that have a surviving twin in the same IKE SA.
void close_twins(Context& context, Sa& sa);
/// Whether there are CHILD SAs which close_twins(), here or at the peer, is about.
[[nodiscard]] bool has_twins(const Sa& sa);

}  // namespace keysluice::ike
