#include "ike/peer_address.hpp"

#include <algorithm>

#include "ike/mobility.hpp"

namespace keysluice::ike {
namespace {

/// "… that does not support other methods of recovery such as IKEv2 Mobility and Multihoming (MOBIKE) [MOBIKE], and
/// that is not behind a NAT, SHOULD send all packets (including retransmission packets) to the IP address and port in
/// the validated packet …". "A host behind a NAT SHOULD NOT do this type of dynamic address update if a validated
/// packet has different port and/or address values because it opens a possible DoS attack (such as allowing an
/// attacker to break the connection with a single packet)."
bool may_move(const Sa& sa) {
    return sa.nat_there && !sa.nat_here;
}

void learn_peer(Context& context, Sa& sa, const UdpEndpoint& remote) {
    if (!may_move(sa) || sa.remote == remote) {
        return;
    }
    go(context, sa, {sa.local, remote}, Report::Kind::moved, "nat-rebound");
    move_children(context, sa);
}

}  // namespace

// RFC 4555 section 3.8: "The host not behind a NAT MUST NOT use these dynamic updates for IKEv2 packets, but MAY use
// them for ESP packets."

void learn_address(Context& context, Sa& sa, const UdpEndpoint& local, const UdpEndpoint& remote) {
    if (sa.state == State::half_open) {
        // An initiator that has found a NAT goes on from port 4500.
        sa.local = local;
        sa.remote = remote;
    } else if (!sa.mobility.agreed) {
        learn_peer(context, sa, remote);
    }
}

void learn_esp_address(Context& context, Sa& sa, const UdpEndpoint& remote) {
    if (!sa.mobility.agreed) {
        learn_peer(context, sa, remote);
    } else if (may_move(sa)) {
        move_esp(context, sa, remote);
    }
}

}  // namespace keysluice::ike
