#pragma once

#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret_buffer.hpp"
#include "daemon/shared/traffic_secrets.hpp"
#include "tls/session.hpp"

namespace keysluice {

/// What an application is told of the connection whose socket it gets. keysluice-handoff(7) has the format, a JSON
/// object without objects in it.
struct Description {
    const std::string* id = nullptr;  ///< what the application called it, where it has submitted it
    std::string_view service;
    std::string_view peer;
    const tls::Summary& summary;
    Bytes certificate{};                      ///< the peer's in DER, where it has shown one
    const TrafficSecrets* secrets = nullptr;  ///< where the kernel can change keys
};

/// Of one packet.
inline constexpr std::size_t kLargestDescription = 64UL * 1024;

/// Error: `description-too-large`, of which there is none without a peer's very large certificate.
[[nodiscard]] Result<SecretBuffer> describe(const Description& description);
/// Why there is no socket for what was submitted as `id`.
[[nodiscard]] SecretBuffer describe_refusal(std::string_view id, const Error& error);

}  // namespace keysluice
