#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace keysluice::crypto {

// X.500 names in DER and as texts: "C=DE, O=Example, CN=gw1.example", in the order in which DER has them
// (strongSwan's notation; RFC 2253 turns it round). A backslash takes a comma's meaning away.

/// DER. Values are PrintableStrings where their letters allow it, otherwise UTF8Strings. Fails with
/// "identity-syntax".
[[nodiscard]] Result<std::vector<std::uint8_t>> parse_name(std::string_view text);

/// The text, escaped so that nothing unprintable gets through; empty where `der` is no name.
[[nodiscard]] std::string print_name(Bytes der);

/// Whether both are the same name by the rules of RFC 5280 section 7.1: neither case nor the kind of string matters.
[[nodiscard]] bool same_name(Bytes a, Bytes b);
/// The same for names that are the same; 0 where `der` is no name.
[[nodiscard]] std::size_t hash_of_name(Bytes der);

}  // namespace keysluice::crypto
