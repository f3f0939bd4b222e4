#pragma once

#include <optional>
#include <vector>

#include "base/instant.hpp"
#include "base/rare.hpp"
#include "crypto/digest.hpp"
#include "ike/ids.hpp"
#include "ike/wire/header.hpp"
#include "ike/wire/payloads.hpp"

namespace keysluice::ike {

/// How often and when a request is sent again (RFC 7296 section 2.4: "retransmission times MUST increase
/// exponentially").
struct Retransmission {
    Duration first = std::chrono::seconds(1);
    unsigned tries = 7;  ///< sendings in all; each wait is twice as long as the one before

    [[nodiscard]] Duration wait_after(unsigned sent) const { return first * (1U << (sent - 1)); }
};

/// A request that waits for its response. What is sent again is bit for bit what was sent before (RFC 7296
/// section 2.1).
struct OutstandingRequest {
    MessageId id;
    wire::ExchangeType exchange = wire::ExchangeType::informational;
    std::vector<wire::Octets> datagrams;
    unsigned sent = 1;
    Instant again_at;
};

/// The last response that was given, for a peer that did not receive it.
struct GivenResponse {
    MessageId id;
    crypto::Sha256 request{};  ///< of the request's datagram, or of its first fragment
    std::vector<wire::Octets> datagrams;
};

/// Message IDs of both directions, with a window of one (RFC 7296 sections 2.2 and 2.3).
struct Window {
    MessageId next_request;      ///< of the next request that we make
    MessageId expected_request;  ///< of the next request that the peer may make
    Rare<OutstandingRequest> outstanding;
    std::optional<GivenResponse> given;
};

}  // namespace keysluice::ike
