#pragma once

#include "ike/actions.hpp"
#include "ike/sa.hpp"

namespace keysluice::control {

/// Writes a report into the log: failures, which a peer can cause, are limited. `sa` is the report's IKE SA, null
/// where there is none (any more).
void log_report(const ike::Report& report, const ike::Sa* sa);

}  // namespace keysluice::control
