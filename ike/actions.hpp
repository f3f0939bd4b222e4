#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "base/result.hpp"
#include "eap/tls.hpp"
#include "ike/connection.hpp"
#include "ike/keys.hpp"
#include "ike/path.hpp"
#include "ike/transitions.hpp"

namespace keysluice::ike {

using ReqId = StrongId<struct ChildReqIdTag, std::uint32_t>;

struct SendDatagram {
    UdpEndpoint from;
    UdpEndpoint to;
    wire::Octets bytes;      ///< without the non-ESP marker, which the socket of port 4500 puts before it
    bool keepalive = false;  ///< one octet that keeps a NAT's mapping, without a marker (RFC 3948 section 2.3)
};

/// After what a CHILD SA is to be rekeyed; bytes and packets of one direction, 0: however many.
struct ChildLifetime {
    Duration time = std::chrono::hours(1);  ///< the rule's; the time itself is not the kernel's business
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
};

/// A CHILD SA as the kernel is to have it. The inbound SPI is its name.
struct ChildSaSpec {
    std::string connection;
    std::string child;
    ReqId reqid;
    Mode mode = Mode::tunnel;
    IpAddress local;
    IpAddress remote;
    std::optional<std::pair<std::uint16_t, std::uint16_t>> udp_ports;  ///< local and remote, of ESP in UDP
    EspSpi inbound;
    EspSpi outbound;
    EspSuite suite;
    TrafficSelectors local_selectors;
    TrafficSelectors remote_selectors;
    Offload offload = Offload::off;
    std::uint32_t interface_id = 0;  ///< of the connection's interface, else 0
    ChildLifetime lifetime;          ///< where the kernel says ChildSpent; what goes far beyond it, it deletes
    /// Its connection has several gateways: packets of the child may come from any of them while it moves.
    bool several_gateways = false;
};

/// Packets that have passed through the CHILD SAs of an IKE SA.
struct Traffic {
    std::uint64_t in = 0;
    std::uint64_t out = 0;
};

/// Answer with ChildInstalled.
struct InstallChild {
    ChildSaSpec spec;
    ChildDirectionKeys inbound;
    /// Absent: inbound only, since the peer may not have the other half yet (RFC 7296 section 2.8).
    std::optional<ChildDirectionKeys> outbound;
    /// The outbound SPI that this one takes over from, in the same step.
    std::optional<EspSpi> replaces_outbound;
};

/// The outbound half of a CHILD SA whose inbound half is there. Where that fails, say ChildLost.
struct InstallOutbound {
    ChildSaSpec spec;
    ChildDirectionKeys outbound;
    std::optional<EspSpi> replaces_outbound;
};

/// Takes what is left of a CHILD SA out of the kernel; its policies too, when no other CHILD SA of its reqid is left.
struct RemoveChild {
    ChildSaSpec spec;
};
/// Its packets go between other addresses or ports: only local, remote and udp_ports differ. Where the kernel can't,
/// say ChildLost.
struct MoveChild {
    ChildSaSpec from;
    ChildSaSpec to;
};
/// Takes only the outbound half, whose successor is in place.
struct RemoveOutbound {
    ChildSaSpec spec;
};

/// Sign `octets` with the private key that belongs to our certificate. Answer with Signed.
struct Sign {
    IkeSpi sa;
    std::uint32_t epoch = 0;  ///< to be given back
    crypto::Sha256 key_id{};
    crypto::SignatureScheme scheme = crypto::SignatureScheme::ed25519;
    wire::Octets octets;
};

/// Find out whether a peer is who it says it is: verify_peer(), which takes too long for an event loop. Answer with
/// PeerVerified.
struct VerifyPeer {
    IkeSpi sa;
    std::uint32_t epoch = 0;  ///< to be given back
    wire::Identity identity;
    std::vector<wire::Octets> chain;  ///< DER as it came, leaf first, at least that
    wire::AuthPayload proof;
    wire::Octets octets;  ///< what was to be signed
    bool allow_sha1 = false;
    std::shared_ptr<const crypto::Authorities> authorities;
};

/// Have TLS hear a turn of EAP-TLS, and find out whose certificate the peer shows in it: verify_chain(). Answer with
/// TlsAnswered. The handshake goes by the name of the IKE SA, until that leaves State::eap.
struct AnswerTls {
    IkeSpi sa;
    std::uint32_t epoch = 0;  ///< to be given back
    bool server = false;
    eap::TlsTurn turn;
    ConnectionPtr connection;  ///< whose certificate is ours, and whose authorities are believed
    wire::Identity identity;   ///< to whom the peer's certificate has to be made out
};

/// Compute a key exchange in a group that takes too long for an event loop: exchange_keys(). Answer with
/// KeysExchanged.
struct ExchangeKeys {
    IkeSpi sa;
    std::uint32_t epoch = 0;   ///< to be given back
    crypto::Sha256 message{};  ///< of the peer's message that it is for; to be given back
    /// Without a public value it is yet to be made: then the private value is the randomness for it.
    crypto::KeyPair own;
    std::optional<wire::Octets> peer_public;  ///< none: there is only a pair to make
};

/// Which way packets would go now: answer with PathsFound, the address from which this host would send to each of
/// `remotes`, in their order. What can't be reached is left out.
struct FindPaths {
    IkeSpi sa;
    std::optional<IpAddress> local;  ///< that one is to be used, whatever the routes say
    std::vector<IpAddress> remotes;
};

/// Find the way to this gateway of a connection. Answer with Initiate, or with NoWay.
struct SeekGateway {
    std::string connection;
    std::string child;  ///< to be given back
    UdpEndpoint gateway;
    bool probe = false;  ///< to be given back: another gateway is in use, and this one would be better
};

/// Ask the kernel what has passed through the CHILD SAs of this IKE SA. Answer with TrafficCounted.
struct CountTraffic {
    IkeSpi sa;
};

/// An IKE SA is in another state than before. One that a rekeying makes begins established, without this.
struct StateChanged {
    IkeSpi sa;
    State from = State::dead;
    State to = State::dead;
};

/// Something happened that a person may want to know.
struct Report {
    enum class Kind {
        established,
        child_established,
        child_rekeyed,
        ike_rekeyed,
        child_closed,
        closed,
        moved,             ///< the peer is at another address or port
        path_changed,      ///< as agreed by RFC 4555, or by ours alone; `error` tells why
        offload_lost,      ///< by a CHILD SA; `error` tells why
        offload_regained,  ///< by it, or its successor
        offload_moved,     ///< from one device to another: `devices`
        assigned,          ///< virtual addresses, to us or to the peer
        failed,            ///< a negotiation; `error` tells why
        refused,           ///< a peer's request; `error` tells why
        gateway_changed,   ///< from `from` to `peer`, which is in use or tried from now on; `error` tells why
        reauthenticated,   ///< `sa` is in the place of `from_sa`; `error` tells why
        reauth_failed,     ///< `sa` was to come in the place of `from_sa`, which stays; `error` tells why
    };
    Kind kind = Kind::failed;
    std::string connection;  ///< empty where none is known yet
    std::string child;
    UdpEndpoint peer;
    IkeSpi sa;
    Error error;
    std::optional<Ends> before = {};  ///< of moved and path_changed
    std::optional<Ends> after = {};
    std::optional<UdpEndpoint> from = {};  ///< of gateway_changed: the one before
    std::optional<IkeSpi> from_sa = {};    ///< of reauthenticated, reauth_failed and ike_rekeyed
    std::optional<std::pair<std::string, std::string>> devices = {};
};

using Action =
    std::variant<SendDatagram, InstallChild, InstallOutbound, MoveChild, RemoveChild, RemoveOutbound, Sign,
                 VerifyPeer, AnswerTls, ExchangeKeys, FindPaths, SeekGateway, CountTraffic, StateChanged, Report>;
using Actions = std::vector<Action>;

}  // namespace keysluice::ike
