#pragma once

#include <cstdint>

#include "base/strong_id.hpp"

namespace keysluice::ike {

/// The name that one end gives to an IKE SA; zero where the other end has not chosen yet.
using IkeSpi = StrongId<struct IkeSpiTag, std::uint64_t>;
/// The name that the receiver of ESP packets gives to one CHILD SA, as a number of the host's byte order.
using EspSpi = StrongId<struct EspSpiTag, std::uint32_t>;
using MessageId = StrongId<struct MessageIdTag, std::uint32_t>;

}  // namespace keysluice::ike
