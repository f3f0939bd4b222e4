#pragma once

#include "ike/create_child.hpp"

namespace keysluice::ike {

// What both sides of making a CHILD SA share.

/// The parts of a specification that come from the IKE SA.
[[nodiscard]] ChildSaSpec spec_of(const Sa& sa, const std::string& child, ReqId reqid);
/// The CHILD SA that takes over from this one; ours where a collision left two. Null: none yet.
[[nodiscard]] ChildSa* successor_of(Sa& sa, EspSpi inbound);
/// Says when the CHILD SA is to be rekeyed, by its rule, up to a tenth earlier.
void set_lifetime(Context& context, const Sa& sa, ChildSa& child);

}  // namespace keysluice::ike
