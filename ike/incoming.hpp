#pragma once

#include <vector>

#include "crypto/digest.hpp"
#include "ike/ids.hpp"
#include "ike/wire/header.hpp"
#include "ike/wire/payloads.hpp"

namespace keysluice::ike {

using Payloads = std::vector<wire::Payload>;

/// A message of the peer that was authenticated and read.
struct Incoming {
    MessageId id;
    wire::ExchangeType exchange = wire::ExchangeType::informational;
    crypto::Sha256 digest{};  ///< of its datagram, to recognise a repetition
    Payloads payloads;
};

}  // namespace keysluice::ike
