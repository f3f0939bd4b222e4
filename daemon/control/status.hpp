#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/control/configuration.hpp"
#include "daemon/control/ike_status.hpp"
#include "daemon/shared/messages.hpp"
#include "ktls/probe.hpp"

namespace keysluice::control {

/// What one engine or relay counted, if it answered in time: a process that is starved of its CPU may not.
struct ProcessCounters {
    Hello process;
    bool answered = true;
    std::vector<Count> counts;
    std::optional<Duration> longest_round = {};  ///< of its loop since the last status, where it is known
};

/// What the kernel says of itself and of our sockets, read back and not remembered.
struct KernelView {
    struct Group {
        std::string what;  ///< "TLS 1.3 AES-256-GCM, rx sw, tx sw"
        std::uint64_t sockets = 0;
    };
    bool ktls = false;
    std::string reason;  ///< why there is no kTLS
    std::vector<Group> groups;
    std::uint64_t decrypt_errors = 0;
};

/// The sockets of these services as sock_diag reports them, grouped by what carries their records. What the kernel
/// can carry does not change while it runs: that is asked once, by ktls::probe().
[[nodiscard]] KernelView look_at_kernel(const ktls::Capabilities& capabilities,
                                        const std::vector<TlsService>& services);

/// What has connections of a service that was removed before this process began.
inline constexpr std::string_view kRemovedName = "(removed)";

struct ServicesView {
    std::vector<TlsService> services;
    std::vector<TlsService> removed;  ///< they are configured no more, and have connections
    Diagnostics reload_problems;      ///< of the last reload: what of it is not used
};

/// The status as one JSON document, version 1. `ike` is null where the configuration has no connection of IKE.
[[nodiscard]] std::string to_json(const ServicesView& shown, const std::vector<ProcessCounters>& processes,
                                  const KernelView& kernel, const IkeView* ike = nullptr);

/// The status document as a table for a person. Error: `status-malformed`.
[[nodiscard]] Result<std::string> to_table(const std::string& json);

}  // namespace keysluice::control
