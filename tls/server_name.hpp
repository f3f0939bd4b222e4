#pragma once

#include <string>
#include <string_view>

namespace keysluice::tls {

/// A DNS name without a final dot.
[[nodiscard]] bool is_dns_name(std::string_view name);

/// "shop.example", or "*.shop.example" for any one label in front of it.
[[nodiscard]] bool is_name_pattern(std::string_view pattern);

/// DNS names are compared without regard to case (RFC 4343), and the functions below compare octets: so each name
/// passes through here first.
[[nodiscard]] std::string lower_case(std::string_view name);

/// The one pattern with a "*" that fits this name; empty: none.
[[nodiscard]] std::string wildcard_for(std::string_view name);

/// Whether a pattern stands for a name.
[[nodiscard]] bool fits(std::string_view pattern, std::string_view name);

}  // namespace keysluice::tls
