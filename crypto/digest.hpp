#pragma once

#include <array>

#include "base/bytes.hpp"

namespace keysluice::crypto {

using Sha1 = std::array<std::uint8_t, 20>;
using Sha256 = std::array<std::uint8_t, 32>;

/// IKEv2's NAT detection and its names of authorities are SHA-1 by definition; nothing rests on its strength.
[[nodiscard]] Sha1 sha1(Bytes bytes);
[[nodiscard]] Sha256 sha256(Bytes bytes);

/// Whether both are the same, in a time that depends on their sizes only.
[[nodiscard]] bool equal(Bytes a, Bytes b);

}  // namespace keysluice::crypto
