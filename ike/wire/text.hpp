#pragma once

#include <functional>
#include <string>

#include "base/bytes.hpp"

namespace keysluice::ike::wire {

/// What a peer sent as text, for a log: what is not printable ASCII as \xNN, and no more than the first 128 octets.
[[nodiscard]] std::string readable(Bytes bytes);
/// "8 octets", "1 octet".
[[nodiscard]] std::string octets_text(std::size_t count);
/// The first eight, with commas, and how many more there are: a peer chooses how many it sends.
[[nodiscard]] std::string some_of(std::size_t count, const std::function<std::string(std::size_t)>& text_of);

}  // namespace keysluice::ike::wire
