#pragma once

#include "ike/exchange.hpp"

namespace keysluice::ike {

/// RFC 7296 section 2.23: "The data associated with the NAT_DETECTION_SOURCE_IP notification is a SHA-1 digest of the
/// SPIs (in the order they appear in the header), IP address, and port from which this packet was sent."
[[nodiscard]] crypto::Sha1 nat_digest(IkeSpi initiator, IkeSpi responder, const UdpEndpoint& endpoint);

/// Adds both NAT detection notifications for a message that goes from `from` to `to`.
void announce_addresses(Payloads& payloads, IkeSpi initiator, IkeSpi responder, const UdpEndpoint& from,
                        const UdpEndpoint& to);

struct NatFound {
    bool here = false;   ///< we are behind a NAT
    bool there = false;  ///< the peer is
};
/// What a received message says about the way that it took; nothing found where the peer sent no such notification.
[[nodiscard]] NatFound find_nat(const Payloads& payloads, IkeSpi initiator, IkeSpi responder,
                                const UdpEndpoint& local, const UdpEndpoint& remote);

}  // namespace keysluice::ike
