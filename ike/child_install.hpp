#pragma once

#include <optional>

#include "ike/sa.hpp"

namespace keysluice::ike {

/// What the kernel has yet to confirm of a CHILD SA (InstallChild or InstallOutbound), as it is to be asked for, also
/// a second time by a process that took over. Absent: nothing.
[[nodiscard]] std::optional<Action> unconfirmed(const ChildSa& child);

/// Asks for it, the first time; something is unconfirmed. An outbound half takes the place of that of the CHILD SA
/// that this one replaces, if that one still sends.
void ask_kernel(Context& context, Sa& sa, ChildSa& child);
/// The kernel refused: what its outbound half was to replace is still there.
void give_back(Sa& sa, const ChildSa& refused);

}  // namespace keysluice::ike
