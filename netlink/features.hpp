#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace keysluice::netlink {

/// Of a network device, as `ethtool -k` tells it. locked: off, and nobody can switch it on.
enum class Feature : std::uint8_t { missing, off, locked, on };

/// While it is on, the kernel leaves ESP's cryptography to the device, of SAs that this has taken.
inline constexpr std::string_view kEspFeature = "esp-hw-offload";

/// While they are on, the kernel leaves TLS's cryptography to the device, of connections that this has taken.
inline constexpr std::string_view kTlsSendingFeature = "tls-hw-tx-offload";
inline constexpr std::string_view kTlsReceivingFeature = "tls-hw-rx-offload";

/// Those of these names, in their order. Nothing where there is no such device (any more), or it tells none.
[[nodiscard]] std::optional<std::vector<Feature>> features_of(std::string_view device,
                                                              std::span<const std::string_view> names);

}  // namespace keysluice::netlink
