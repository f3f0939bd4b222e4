#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "policy/region.hpp"
#include "xfrm/types.hpp"

namespace keysluice::control {

// How policies and questions about them are written: what can't be read is nothing.

/// "192.0.2.1", "10.0.0.0/8" or "10.0.0.1-10.0.0.9".
[[nodiscard]] std::optional<policy::AddressRange> parse_address_range(std::string_view text);
/// "443" or "1024-65535".
[[nodiscard]] std::optional<policy::PortRange> parse_port_range(std::string_view text);
/// "tcp", as /etc/protocols has it, or "6".
[[nodiscard]] std::optional<std::uint8_t> parse_protocol(std::string_view text);
inline constexpr std::string_view kExpectedProtocol =
    "a name of /etc/protocols or a number from 1 to 255; to mean any, leave it out";
/// "24577" or "0x6001". RFC 4303 section 2.1: the numbers up to 255 are reserved.
[[nodiscard]] std::optional<xfrm::Spi> parse_spi(std::string_view text);

[[nodiscard]] std::string protocol_name(std::uint8_t protocol);
/// "24577 (0x6001)": other systems' manuals have the one or the other.
[[nodiscard]] std::string spi_text(xfrm::Spi spi);

/// "tcp", "any" or "7-57"; "192.0.2.1", "any" or "10.0.0.1-10.0.0.9"; "443", "any" or "1-19".
[[nodiscard]] std::string interval_text(const policy::Interval& interval, policy::Dimension dimension, Family family);

}  // namespace keysluice::control
