#pragma once

#include "cli/doctor/facts.hpp"
#include "cli/doctor/finding.hpp"
#include "cli/doctor/wants.hpp"
#include "daemon/control/diagnostic.hpp"

namespace keysluice::doctor {

/// What is wrong with a host, and what to type against it. Nothing in here looks at the host itself.
[[nodiscard]] Findings judge(const Facts& facts, const Wants& wants);

/// The parts of it.
void judge_kernel(const Facts& facts, const Wants& wants, Findings& findings);
void judge_devices(const Facts& facts, const Wants& wants, Findings& findings);
void judge_sysctls(const Facts& facts, const Wants& wants, Findings& findings);
void judge_ports(const Facts& facts, const Wants& wants, Findings& findings);
void judge_rivals(const Facts& facts, const Wants& wants, Findings& findings);
void judge_clock(const Facts& facts, Findings& findings);
void judge_files(const Facts& facts, Findings& findings);

/// One finding for each mistake in the configuration.
[[nodiscard]] Findings judge_configuration(const control::Diagnostics& wrong);

}  // namespace keysluice::doctor
