#include "ike/snapshot.hpp"

#include <fmt/format.h>

#include "ike/archive.hpp"

namespace keysluice {

template <typename Archive, ike::Like<UdpEndpoint> T>
void describe(Archive& archive, T& value) {
    archive(value.address, value.port);
}

template <typename Archive, ike::Like<Prefix> T>
void describe(Archive& archive, T& value) {
    archive(value.address, value.length);
}

namespace crypto {

template <typename Archive, ike::Like<KeyPair> T>
void describe(Archive& archive, T& value) {
    archive(value.group, value.private_value, value.public_value);
}

}  // namespace crypto

namespace eap {

template <typename Archive, ike::Like<Exchanged> T>
void describe(Archive& archive, T& value) {
    archive(value.server, value.peer, value.response);
}
template <typename Archive, ike::Like<Mschapv2Peer> T>
void describe(Archive& archive, T& value) {
    archive(value.answered, value.refused, value.known);
}
template <typename Archive, ike::Like<Mschapv2Server> T>
void describe(Archive& archive, T& value) {
    archive(value.phase, value.known_user, value.challenge);
}
template <typename Archive, ike::Like<TlsTurns> T>
void describe(Archive& archive, T& value) {
    archive(value.incoming, value.total, value.outgoing);
}
template <typename Archive, ike::Like<TlsTurn> T>
void describe(Archive& archive, T& value) {
    archive(value.begins, value.records);
}
template <typename Archive, ike::Like<TlsPeer> T>
void describe(Archive& archive, T& value) {
    archive(value.begun, value.refused, value.id, value.turns);
}
template <typename Archive, ike::Like<TlsServer> T>
void describe(Archive& archive, T& value) {
    archive(value.phase, value.turns);
}
template <typename Archive, ike::Like<Peer> T>
void describe(Archive& archive, T& value) {
    archive(value.method, value.mschapv2, value.tls, value.msk);
}
template <typename Archive, ike::Like<Server> T>
void describe(Archive& archive, T& value) {
    archive(value.id, value.asked, value.identity, value.left, value.mschapv2, value.tls, value.msk);
}

}  // namespace eap

namespace ike {
namespace wire {

template <typename Archive, Like<Transform> T>
void describe(Archive& archive, T& value) {
    archive(value.type, value.id, value.key_bits, value.not_understood);
}
template <typename Archive, Like<Proposal> T>
void describe(Archive& archive, T& value) {
    archive(value.number, value.protocol, value.spi, value.transforms);
}
template <typename Archive, Like<SaPayload> T>
void describe(Archive& archive, T& value) {
    archive(value.proposals);
}
template <typename Archive, Like<KePayload> T>
void describe(Archive& archive, T& value) {
    archive(value.group, value.value);
}
template <typename Archive, Like<Identity> T>
void describe(Archive& archive, T& value) {
    archive(value.type, value.data);
}
template <typename Archive, Like<IdInitiatorPayload> T>
void describe(Archive& archive, T& value) {
    archive(value.identity, value.reserved);
}
template <typename Archive, Like<IdResponderPayload> T>
void describe(Archive& archive, T& value) {
    archive(value.identity, value.reserved);
}
template <typename Archive, Like<CertificatePayload> T>
void describe(Archive& archive, T& value) {
    archive(value.encoding, value.data);
}
template <typename Archive, Like<CertificateRequestPayload> T>
void describe(Archive& archive, T& value) {
    archive(value.encoding, value.authorities);
}
template <typename Archive, Like<AuthPayload> T>
void describe(Archive& archive, T& value) {
    archive(value.method, value.data);
}
template <typename Archive, Like<NoncePayload> T>
void describe(Archive& archive, T& value) {
    archive(value.data);
}
template <typename Archive, Like<NotifyPayload> T>
void describe(Archive& archive, T& value) {
    archive(value.type, value.protocol, value.spi, value.data);
}
template <typename Archive, Like<DeletePayload> T>
void describe(Archive& archive, T& value) {
    archive(value.protocol, value.spis);
}
template <typename Archive, Like<VendorIdPayload> T>
void describe(Archive& archive, T& value) {
    archive(value.data);
}
template <typename Archive, Like<TrafficSelector> T>
void describe(Archive& archive, T& value) {
    archive(value.protocol, value.first_port, value.last_port, value.first, value.last);
}
template <typename Archive, Like<TsInitiatorPayload> T>
void describe(Archive& archive, T& value) {
    archive(value.selectors);
}
template <typename Archive, Like<TsResponderPayload> T>
void describe(Archive& archive, T& value) {
    archive(value.selectors);
}
template <typename Archive, Like<ConfigurationAttribute> T>
void describe(Archive& archive, T& value) {
    archive(value.type, value.value);
}
template <typename Archive, Like<ConfigurationPayload> T>
void describe(Archive& archive, T& value) {
    archive(value.type, value.attributes);
}
template <typename Archive, Like<EapPayload> T>
void describe(Archive& archive, T& value) {
    archive(value.packet);
}
template <typename Archive, Like<UnknownPayload> T>
void describe(Archive& archive, T& value) {
    archive(value.type, value.critical, value.data);
}

}  // namespace wire

/// Grows with every change of a description below or above.
constexpr std::uint16_t kVersion = 17;

template <typename Archive, Like<Encryption> T>
void describe(Archive& archive, T& value) {
    archive(value.id, value.key_bits);
}
template <typename Archive, Like<IkeSuite> T>
void describe(Archive& archive, T& value) {
    archive(value.encryption, value.integrity, value.prf, value.group);
}
template <typename Archive, Like<EspSuite> T>
void describe(Archive& archive, T& value) {
    archive(value.encryption, value.integrity, value.group, value.esn);
}
template <typename Archive, Like<DirectionKeys> T>
void describe(Archive& archive, T& value) {
    archive(value.encryption, value.integrity);
}
template <typename Archive, Like<ChildDirectionKeys> T>
void describe(Archive& archive, T& value) {
    archive(value.encryption, value.integrity);
}
template <typename Archive, Like<ProofKeys> T>
void describe(Archive& archive, T& value) {
    archive(value.initiator, value.responder);
}
template <typename Archive, Like<IkeKeys> T>
void describe(Archive& archive, T& value) {
    archive(value.d, value.initiator, value.responder, value.proof);
}
template <typename Archive, Like<OutstandingRequest> T>
void describe(Archive& archive, T& value) {
    archive(value.id, value.exchange, value.datagrams, value.sent, value.again_at);
}
template <typename Archive, Like<GivenResponse> T>
void describe(Archive& archive, T& value) {
    archive(value.id, value.request, value.datagrams);
}
template <typename Archive, Like<Window> T>
void describe(Archive& archive, T& value) {
    archive(value.next_request, value.expected_request, value.outstanding, value.given);
}
template <typename Archive, Like<ChildLifetime> T>
void describe(Archive& archive, T& value) {
    archive(value.time, value.bytes, value.packets);
}
template <typename Archive, Like<ChildSaSpec> T>
void describe(Archive& archive, T& value) {
    archive(value.connection, value.child, value.reqid, value.mode, value.local, value.remote, value.udp_ports,
            value.inbound, value.outbound, value.suite, value.local_selectors, value.remote_selectors, value.offload,
            value.lifetime, value.interface_id, value.several_gateways);
}
template <typename Archive, Like<ChildSa> T>
void describe(Archive& archive, T& value) {
    archive(value.state, value.spec, value.inbound_keys, value.outbound_keys, value.complete, value.replaces,
            value.takes_over, value.sends, value.ours, value.rekey_at, value.remove_at, value.sends_at);
}
template <typename Archive, Like<PacketSelectors> T>
void describe(Archive& archive, T& value) {
    archive(value.local, value.remote);
}
template <typename Archive, Like<ChildOffer::Rival> T>
void describe(Archive& archive, T& value) {
    archive(value.inbound, value.lowest_nonce);
}
template <typename Archive, Like<ChildOffer> T>
void describe(Archive& archive, T& value) {
    archive(value.child, value.inbound, value.rekeys, value.reqid, value.nonce, value.key_pair, value.group,
            value.offered, value.local, value.remote, value.packet, value.attempts, value.not_before, value.rival,
            value.deleted);
}
template <typename Archive, Like<IkeOffer::Rival> T>
void describe(Archive& archive, T& value) {
    archive(value.spi, value.lowest_nonce);
}
template <typename Archive, Like<IkeOffer> T>
void describe(Archive& archive, T& value) {
    archive(value.spi, value.nonce, value.key_pair, value.group, value.offered, value.attempts, value.rival);
}
template <typename Archive, Like<DeleteChildren> T>
void describe(Archive& archive, T& value) {
    archive(value.inbound);
}
template <typename Archive, typename T>
    requires Like<T, DeleteIke> || Like<T, Liveness> || Like<T, RefuseAuthentication> || Like<T, AnnounceAddresses>
void describe(Archive& /*archive*/, T& /*value*/) {}
template <typename Archive, Like<Path> T>
void describe(Archive& archive, T& value) {
    archive(value.local, value.remote);
}
template <typename Archive, Like<Ends> T>
void describe(Archive& archive, T& value) {
    archive(value.local, value.remote);
}
template <typename Archive, Like<UpdateAddresses> T>
void describe(Archive& archive, T& value) {
    archive(value.ends);
}
template <typename Archive, Like<CheckPath> T>
void describe(Archive& archive, T& value) {
    archive(value.ends, value.cookie);
}
template <typename Archive, Like<Mobility> T>
void describe(Archive& archive, T& value) {
    archive(value.leads, value.agreed, value.peer_addresses, value.announced, value.paths, value.refused,
            value.seen_as);
}

template <typename Archive, Like<Incoming> T>
void describe(Archive& archive, T& value) {
    archive(value.id, value.exchange, value.digest, value.payloads);
}
template <typename Archive, Like<EapExchange::Handshake> T>
void describe(Archive& archive, T& value) {
    archive(value.turn, value.request);
}
template <typename Archive, Like<EapExchange> T>
void describe(Archive& archive, T& value) {
    archive(value.side, value.rounds, value.over, value.handshake);
}
template <typename Archive, Like<Negotiation> T>
void describe(Archive& archive, T& value) {
    archive(value.key_pair, value.offered, value.cookie, value.group, value.attempts, value.own_first_message,
            value.peer_first_message, value.own_nonce, value.peer_nonce, value.child, value.peer_hashes, value.auth,
            value.eap, value.exchanging, value.began_at, value.until);
}
template <typename Archive, Like<Delayed> T>
void describe(Archive& archive, T& value) {
    archive(value.message, value.is_response);
}
template <typename Archive, Like<AwaitedResponse> T>
void describe(Archive& archive, T& value) {
    archive(value.id, value.exchange, value.request, value.payloads, value.refusal, value.child);
}
template <typename Archive, Like<Assignment> T>
void describe(Archive& archive, T& value) {
    archive(value.addresses, value.dns, value.domains, value.subnets);
}
template <typename Archive, Like<Traffic> T>
void describe(Archive& archive, T& value) {
    archive(value.in, value.out);
}
template <typename Archive, Like<Watch> T>
void describe(Archive& archive, T& value) {
    archive(value.counted, value.look_at, value.quiet_since, value.unanswered_since);
}
template <typename Archive, Like<Reauthentication> T>
void describe(Archive& archive, T& value) {
    archive(value.begin_at, value.over_at, value.cause, value.pause, value.old, value.fresh);
}
template <typename Archive, Like<Sa> T>
void describe(Archive& archive, T& value) {
    archive(value.state, value.initiator, value.initiator_spi, value.responder_spi, value.local, value.remote,
            value.nat_here, value.nat_there, value.mobility, value.fragmentation, value.suite, value.keys,
            value.peer_id, value.window, value.negotiation, value.children, value.current, value.waiting,
            value.awaited, value.delayed, value.replacement, value.we_replace, value.predecessor, value.busy_since,
            value.established_at, value.rekey_at, value.close_at, value.heard_at, value.sent_at, value.given,
            value.assigned, value.watch, value.reauth);
}

SecretBuffer write_snapshot(const Sa& sa) {
    ArchiveWriter archive;
    archive(kVersion, sa.connection->name, sa);
    return std::move(archive).release();
}

Result<std::unique_ptr<Sa>> read_snapshot(Bytes octets, const FindConnection& connection, std::uint32_t epoch) {
    if (Reader version(octets); version.be<std::uint16_t>() != kVersion || !version.ok()) {
        return fail("snapshot-version", fmt::format("an IKE SA was written in another version than {}", kVersion));
    }
    ArchiveReader archive(octets);
    std::uint16_t version = 0;
    std::string name;
    auto sa = std::make_unique<Sa>();
    archive(version, name, *sa);
    if (!archive.finished() || sa->state > State::dead) {
        return fail("snapshot-malformed", fmt::format("an IKE SA of connection '{}' can't be read back", name));
    }
    sa->connection = connection(name);
    if (!sa->connection) {
        return fail("snapshot-connection", fmt::format("an IKE SA belongs to connection '{}', which is no longer "
                                                       "configured",
                                                       name));
    }
    sa->iv = IvCounter{.epoch = epoch, .next = 0};
    if (sa->state == State::init_sent && sa->negotiation) {
        // A refusal that nobody vouches for was not kept: if it was true, it comes again.
        sa->negotiation->until = Instant::max();
    }
    return sa;
}

template <typename Archive, Like<GatewayUse> T>
void describe(Archive& archive, T& value) {
    archive(value.current, value.child, value.wanted, value.failed, value.closing, value.probed, value.probe,
            value.look_at);
}

SecretBuffer write_gateways(const GatewayUses& uses) {
    ArchiveWriter archive;
    archive(kVersion, std::vector<std::pair<std::string, GatewayUse>>(uses.begin(), uses.end()));
    return std::move(archive).release();
}

Result<GatewayUses> read_gateways(Bytes octets) {
    if (Reader version(octets); version.be<std::uint16_t>() != kVersion || !version.ok()) {
        return fail("snapshot-version", fmt::format("gateways were written in another version than {}", kVersion));
    }
    ArchiveReader archive(octets);
    std::uint16_t version = 0;
    std::vector<std::pair<std::string, GatewayUse>> uses;
    archive(version, uses);
    if (!archive.finished()) {
        return fail("snapshot-malformed", "the gateways of connections can't be read back");
    }
    return GatewayUses(uses.begin(), uses.end());
}

}  // namespace ike
}  // namespace keysluice
