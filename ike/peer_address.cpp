#include "ike/peer_address.hpp"

#include <algorithm>

#include "ike/create_child.hpp"

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

/// The same SA in the kernel goes on with another port: it keeps its sequence numbers.
void move_ports(Context& context, ChildSa& child, std::pair<std::uint16_t, std::uint16_t> ports) {
    ChildSaSpec moved = child.spec;
    moved.udp_ports = ports;
    context.actions.emplace_back(MoveChild{.from = child.spec, .to = moved});
    child.spec = std::move(moved);
}

/// An outbound SA with another address is another SA to the kernel. Its sequence numbers can't be carried over
/// without the risk that packets still leave with the old ones, and under one key no number may come twice: so there
/// are new keys. In transport mode the selectors have the old address in them, and a new CHILD SA is negotiated.
void replace(Context& context, Sa& sa, ChildSa& child) {
    if (sa.state != State::established || child.state != ChildState::installed) {
        return;
    }
    if (child.spec.mode == Mode::tunnel) {
        rekey_child(context, sa, child);
        return;
    }
    child.state = ChildState::deleting;
    if (const ChildRule* rule = sa.connection->child(child.spec.child)) {
        sa.waiting.emplace_back(new_offer(context, sa, *rule, nullptr, true));
    }
    sa.waiting.emplace_back(DeleteChildren{{child.spec.inbound}});
}

}  // namespace

void learn_address(Context& context, Sa& sa, const UdpEndpoint& local, const UdpEndpoint& remote) {
    if (sa.state == State::half_open) {
        // An initiator that has found a NAT goes on from port 4500.
        sa.local = local;
        sa.remote = remote;
    } else {
        learn_peer(context, sa, remote);
    }
}

void learn_peer(Context& context, Sa& sa, const UdpEndpoint& remote) {
    if (!may_move(sa) || sa.remote == remote) {
        return;
    }
    sa.remote = remote;
    report(context, sa, Report::Kind::moved);
    for (ChildSa& child : sa.children) {
        const auto ports = child.spec.udp_ports;
        const bool other_port = ports && ports->second != remote.port;
        // A device that makes whole packets has the port, and the kernel does not tell it of another one.
        if (child.spec.remote != remote.address || (other_port && child.spec.offload == Offload::packet)) {
            replace(context, sa, child);
        } else if (other_port) {
            move_ports(context, child, {ports->first, remote.port});
        }
    }
}

}  // namespace keysluice::ike
