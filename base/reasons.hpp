#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace keysluice {

/// Where an administrator looks first.
enum class ReasonArea : std::uint8_t {
    configuration,  ///< the configuration, the files that it names, the addresses that it wants
    tls,            ///< a TLS connection and its two ends
    ike,            ///< a peer of IKE
    kernel,         ///< what the kernel can't do or refuses
    internal,       ///< keysluice's own processes and libraries
};
[[nodiscard]] std::string_view name_of(ReasonArea area);

/// One entry of the registry of reason codes (Error::reason), which are stable: a code may go, and never means
/// something else. `meaning` is for an administrator: what has happened, and what to do about it.
struct Reason {
    std::string_view code;
    ReasonArea area;
    std::string_view meaning;
};

/// Sorted by code.
[[nodiscard]] std::span<const Reason> all_reasons();
/// Null for a code that does not exist.
[[nodiscard]] const Reason* find_reason(std::string_view code);

}  // namespace keysluice
