#pragma once

#include <optional>
#include <string>
#include <variant>

#include "ike/actions.hpp"

namespace keysluice::ike {

struct DatagramReceived {
    UdpEndpoint local;
    UdpEndpoint remote;
    Bytes bytes;  ///< without a non-ESP marker
};

/// A deadline has passed.
struct TimePassed {};

/// Start a connection, or one more child of it where its IKE SA stands.
struct Initiate {
    std::string connection;
    std::string child;  ///< empty: all of them
    UdpEndpoint local;
    UdpEndpoint remote;
    std::optional<PacketSelectors> packet = {};  ///< that waits for the child
    bool probe = false;                          ///< the answer to a SeekGateway that is one
};

/// The answer to SeekGateway where there is no way to it, or instead of an Initiate.
struct NoWay {
    std::string connection;
    std::string child;  ///< as in Initiate
    UdpEndpoint gateway;
    Error why;
    bool probe = false;
};

/// The answer to CountTraffic; nothing where the kernel can't tell.
struct TrafficCounted {
    IkeSpi sa;
    std::optional<Traffic> traffic;
};

/// Close a connection's IKE SAs, with all that belongs to them, and keep it up no longer. One of them alone: a
/// connection that is to be up comes up again.
struct Terminate {
    std::string connection;
    std::optional<IkeSpi> sa = {};  ///< that one
};

/// Rekey all IKE SAs of a connection, or their child of that name.
struct Rekey {
    std::string connection;
    std::string child;              ///< empty: the IKE SA itself
    std::optional<IkeSpi> sa = {};  ///< of that one
};

/// Put other IKE SAs, with proofs of their own, in the place of those that we began.
struct Reauthenticate {
    std::string connection;
    std::optional<IkeSpi> sa = {};  ///< of that one
};

/// The kernel's answer to InstallChild.
struct ChildInstalled {
    EspSpi inbound;
    Result<void> result;
};

// Of CHILD SAs that were installed, by their inbound SPIs.

/// The kernel has taken the outbound half (InstallOutbound).
struct OutboundInstalled {
    EspSpi inbound;
};

/// The kernel did not take the outbound half (InstallOutbound), or it has deleted an SA that came to a hard limit.
struct ChildLost {
    EspSpi inbound;
    Error why;
};

/// One of the two SAs has come to a soft limit.
struct ChildSpent {
    EspSpi inbound;
};

/// The network device that did a part of the work no longer does. Where the CHILD SA does not go on without, what
/// becomes of it is another event.
struct OffloadLost {
    EspSpi inbound;
    Error why;
};

/// A device does its part of the CHILD SA's work again: its own, or that of one before it that had lost it.
struct OffloadRegained {
    EspSpi inbound;
};

/// Packets go by another device between the same addresses, and that one does what the other did.
struct OffloadMoved {
    EspSpi inbound;
    std::string from;
    std::string to;
};

/// An authentic packet that was not replayed came from elsewhere than before.
struct PeerMoved {
    EspSpi inbound;
    UdpEndpoint remote;
};

/// The addresses of this host that peers may send to, or its routes, are others than before.
struct OwnAddresses {
    std::vector<IpAddress> addresses;
};

/// The answer to FindPaths, best first; also without having been asked.
struct PathsFound {
    IkeSpi sa;
    std::vector<Path> paths;
};

/// The answer to Sign. One that comes too late, or to another process than the one that asked, is ignored.
struct Signed {
    IkeSpi sa;
    std::uint32_t epoch = 0;
    Result<wire::Octets> signature;
};

/// The answer to VerifyPeer, for which the same holds.
struct PeerVerified {
    IkeSpi sa;
    std::uint32_t epoch = 0;
    Result<void> result;
};

/// The answer to AnswerTls, for which the same holds.
struct TlsAnswered {
    IkeSpi sa;
    std::uint32_t epoch = 0;
    eap::TlsProgress progress;
};

/// The answer to ExchangeKeys, for which the same holds.
struct KeysExchanged {
    IkeSpi sa;
    std::uint32_t epoch = 0;
    crypto::Sha256 message{};
    Result<Exchanged> result;
};

using Event =
    std::variant<DatagramReceived, TimePassed, Initiate, Terminate, Rekey, ChildInstalled, OutboundInstalled,
                 ChildLost, ChildSpent, OffloadLost, OffloadRegained, OffloadMoved, PeerMoved, OwnAddresses,
                 PathsFound, Signed, PeerVerified, TlsAnswered, KeysExchanged, NoWay, TrafficCounted, Reauthenticate>;

}  // namespace keysluice::ike
