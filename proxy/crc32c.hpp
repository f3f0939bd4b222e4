#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace keysluice::proxy {

/// The checksum of RFC 9260 appendix A (Castagnoli's polynomial).
[[nodiscard]] std::uint32_t crc32c(Bytes bytes);

}  // namespace keysluice::proxy
