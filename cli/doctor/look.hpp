#pragma once

#include "cli/doctor/facts.hpp"
#include "cli/doctor/finding.hpp"
#include "cli/doctor/wants.hpp"

namespace keysluice::doctor {

/// Looks at this host, as far as whoever calls may: what can't be seen is left open in the facts. Changes nothing,
/// but for an administrator the kernel may load modules when it is tried (ktls::probe(), xfrm::probe()).
[[nodiscard]] Facts look(const Wants& wants);

/// Reads the configuration, looks at the host and judges. Where the configuration can't be read, everything may come.
[[nodiscard]] Findings examine(const std::string& file);

/// The parts of it.
[[nodiscard]] KernelFacts look_at_kernel();
[[nodiscard]] std::map<std::string, std::int64_t, std::less<>> look_at_sysctls(
    const std::vector<DeviceFacts>& devices);
[[nodiscard]] std::vector<DeviceFacts> look_at_devices();
[[nodiscard]] std::vector<CertificateFacts> look_at_certificates(const std::vector<Wants::File>& files,
                                                                 std::chrono::system_clock::time_point now);
[[nodiscard]] std::vector<SecretFacts> look_at_secrets(const std::vector<Wants::File>& files);

}  // namespace keysluice::doctor
