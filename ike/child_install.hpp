#pragma once

#include <optional>

#include "ike/sa.hpp"

namespace keysluice::ike {

/// What the kernel has yet to confirm of a CHILD SA (InstallChild or InstallOutbound), as it is to be asked for, also
/// a second time by a process that took over. Absent: nothing.
[[nodiscard]] std::optional<Action> unconfirmed(const Sa& sa, const ChildSa& child);

/// Asks for it; something is unconfirmed.
void ask_kernel(Context& context, const Sa& sa, const ChildSa& child);

}  // namespace keysluice::ike
