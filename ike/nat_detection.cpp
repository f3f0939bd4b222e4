#include "ike/nat_detection.hpp"

namespace keysluice::ike {

crypto::Sha1 nat_digest(IkeSpi initiator, IkeSpi responder, const UdpEndpoint& endpoint) {
    Writer octets;
    octets.be(initiator.value).be(responder.value).raw(endpoint.address.octets()).be(endpoint.port);
    return crypto::sha1(octets.view());
}

void announce_addresses(Payloads& payloads, IkeSpi initiator, IkeSpi responder, const UdpEndpoint& from,
                        const UdpEndpoint& to) {
    payloads.emplace_back(notify(wire::NotifyType::nat_detection_source_ip, nat_digest(initiator, responder, from)));
    payloads.emplace_back(
        notify(wire::NotifyType::nat_detection_destination_ip, nat_digest(initiator, responder, to)));
}

NatFound find_nat(const Payloads& payloads, IkeSpi initiator, IkeSpi responder, const UdpEndpoint& local,
                  const UdpEndpoint& remote) {
    bool source_seen = false;
    bool source_matches = false;
    NatFound found;
    for (const wire::Payload& payload : payloads) {
        const auto* notified = std::get_if<wire::NotifyPayload>(&payload);
        if (notified == nullptr) {
            continue;
        }
        if (notified->type == wire::NotifyType::nat_detection_source_ip) {
            // Section 2.23: "There MAY be multiple NAT_DETECTION_SOURCE_IP payloads in a message if the sender does
            // not know which of several network attachments will be used to send the packet."
            source_seen = true;
            source_matches |= crypto::equal(notified->data, nat_digest(initiator, responder, remote));
        } else if (notified->type == wire::NotifyType::nat_detection_destination_ip) {
            found.here = !crypto::equal(notified->data, nat_digest(initiator, responder, local));
        }
    }
    found.there = source_seen && !source_matches;
    return found;
}

}  // namespace keysluice::ike
