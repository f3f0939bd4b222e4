#pragma once

#include <span>
#include <string_view>

#include "cli/import/draft.hpp"

namespace keysluice::importer {

inline constexpr std::string_view kOnlyIkev2 = "only IKEv2 is spoken";
inline constexpr std::string_view kNoEap =
    "of EAP, eap-mschapv2 alone is taken over: see eap_password in keysluice.toml(5)";

/// What becomes of settings of swanctl.conf that have no equivalent.
[[nodiscard]] std::span<const Known> swanctl_connection_settings();
/// Of "local" and "remote".
[[nodiscard]] std::span<const Known> swanctl_authentication_settings();
[[nodiscard]] std::span<const Known> swanctl_child_settings();

}  // namespace keysluice::importer
