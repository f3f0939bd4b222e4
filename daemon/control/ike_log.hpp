#pragma once

#include <string>

#include "ike/actions.hpp"
#include "ike/sa.hpp"

namespace keysluice::control {

/// The newest CHILD SA of that name. Null where there is none, or no SA.
[[nodiscard]] const ike::ChildSa* newest_child(const ike::Sa* sa, const std::string& name);

/// Writes a report into the log: failures, which a peer can cause, are limited. `sa` is the report's IKE SA, null
/// where there is none (any more).
void log_report(const ike::Report& report, const ike::Sa* sa);

}  // namespace keysluice::control
