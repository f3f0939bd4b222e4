#pragma once

#include <cstdint>

#include "daemon/shared/endpoint.hpp"

namespace keysluice {

/// What a client is counted by for the limits "per address": 64 bits of SHA-256 over its address, of IPv6 over its
/// /64, since whoever has one address of that has them all. 0 where there is no address (unix sockets).
[[nodiscard]] std::uint64_t origin_of(const SocketAddress& client);

}  // namespace keysluice
