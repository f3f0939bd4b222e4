#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/random.hpp"
#include "base/rare.hpp"
#include "eap/peer.hpp"
#include "eap/server.hpp"
#include "ike/actions.hpp"
#include "ike/incoming.hpp"
#include "ike/protection.hpp"
#include "ike/settings.hpp"
#include "ike/transitions.hpp"
#include "ike/window.hpp"

namespace keysluice::ike {

enum class ChildState : std::uint8_t {
    installing,    ///< the kernel was asked
    inbound_only,  ///< made by the peer in a rekeying: the outbound half waits for the old one's deletion
    installed,     ///< both halves are in the kernel
    deleting,      ///< our delete is queued or waits for its response
    lingering,     ///< both ends have deleted it; packets that were on their way are still taken
};

/// One CHILD SA (RFC 7296 section 1.2), named by our inbound SPI.
struct ChildSa {
    ChildState state = ChildState::installing;
    ChildSaSpec spec;
    Rare<ChildDirectionKeys> inbound_keys;   ///< until the kernel has confirmed that it has them
    Rare<ChildDirectionKeys> outbound_keys;  ///< the same
    bool complete = false;                   ///< while installing: both halves, not the inbound one alone
    std::optional<EspSpi> replaces;          ///< the inbound SPI of the CHILD SA that this one rekeys
    std::optional<EspSpi> takes_over;        ///< the outbound SPI whose place its outbound half was asked to take
    bool sends = false;                      ///< the kernel was asked for its outbound half and not to remove it
    bool ours = false;                       ///< we were the initiator of the exchange that made it
    Instant rekey_at = Instant::max();
    Instant remove_at = Instant::max();
    Instant sends_at = Instant::max();  ///< inbound_only beside another IKE SA's: its turn, at the latest (turns.hpp)
};

/// The first half of making a CHILD SA: what we offered and wait to have answered.
struct ChildOffer {
    std::string child;
    EspSpi inbound;
    std::optional<EspSpi> rekeys;  ///< our inbound SPI of the CHILD SA to replace
    ReqId reqid;
    wire::Octets nonce;
    std::optional<crypto::KeyPair> key_pair;
    GroupId group = GroupId::none;  ///< none until one is chosen
    wire::SaPayload offered;
    TrafficSelectors local;
    TrafficSelectors remote;
    std::optional<PacketSelectors> packet;  ///< that waits for it: rides ahead of the others (section 2.9)
    unsigned attempts = 0;
    Instant not_before{};  ///< the peer was busy: when to ask again
    Instant pair_until{};  ///< a thread was asked for the key pair: when to ask again; unwritten
    /// The peer rekeyed the same CHILD SA at the same time: its exchange's lower nonce and what came of it.
    struct Rival {
        EspSpi inbound;
        wire::Octets lowest_nonce;
    };
    std::optional<Rival> rival;
    std::vector<EspSpi> deleted;  ///< by the peer since it was sent, and unknown to us: see withdrawn()
};

/// The same for a rekeying of the IKE SA.
struct IkeOffer {
    IkeSpi spi;
    wire::Octets nonce;
    std::optional<crypto::KeyPair> key_pair;
    GroupId group = GroupId::none;
    wire::SaPayload offered;
    unsigned attempts = 0;
    Instant pair_until{};  ///< as in a ChildOffer
    struct Rival {
        IkeSpi spi;  ///< our SPI of the IKE SA that the peer's exchange made
        wire::Octets lowest_nonce;
    };
    std::optional<Rival> rival;
};

struct DeleteChildren {
    std::vector<EspSpi> inbound;
};
struct DeleteIke {};
/// An empty request, to see whether the peer is there (RFC 7296 section 2.4).
struct Liveness {};
// Of RFC 4555; `ends` are those between which it was sent first.

/// By who leads: packets are to go between these addresses.
struct UpdateAddresses {
    Ends ends;
};
/// Whether the peer gets what is sent to where it says that it is.
struct CheckPath {
    Ends ends;
    wire::Octets cookie;
};
/// Which other addresses we have.
struct AnnounceAddresses {};
/// RFC 7296 section 2.21.2: an initiator that can't accept the responder says so in an exchange of its own.
struct RefuseAuthentication {};

/// An exchange that we are to start once the one before it is done.
using Task = std::variant<ChildOffer, IkeOffer, DeleteChildren, DeleteIke, Liveness, RefuseAuthentication,
                          UpdateAddresses, CheckPath, AnnounceAddresses>;

/// When it may start; Instant{} for at once.
[[nodiscard]] Instant due_time(const Task& task);

/// EAP inside of IKE_AUTH (RFC 7296 section 2.16), as far as it has come.
struct EapExchange {
    std::variant<eap::Peer, eap::Server> side;  ///< an initiator's, a responder's
    unsigned rounds = 0;
    bool over = false;  ///< it was a success: AUTH with its key comes next
    /// EAP-TLS: what TLS has yet to hear, and the peer's request that waits for it, without its payloads.
    struct Handshake {
        eap::TlsTurn turn;
        std::optional<Incoming> request;  ///< of an initiator's side there is none
    };
    std::optional<Handshake> handshake = {};

    [[nodiscard]] const eap::Msk& msk() const {
        return std::visit([](const auto& each) -> const eap::Msk& { return each.msk; }, side);
    }
};

/// What an IKE SA keeps until both ends are authenticated, and not longer.
struct Negotiation {
    std::optional<crypto::KeyPair> key_pair;  ///< initiator
    wire::SaPayload offered;                  ///< initiator
    wire::Octets cookie;                      ///< initiator: to be sent back
    GroupId group = GroupId::none;
    unsigned attempts = 0;         ///< IKE_SA_INIT requests with something new in them
    std::optional<Error> refusal;  ///< an answer that nobody vouches for; of EAP, why TLS has failed
    wire::Octets own_first_message;
    wire::Octets peer_first_message;
    wire::Octets own_nonce;
    wire::Octets peer_nonce;
    std::optional<ChildOffer> child;         ///< initiator: rides in IKE_AUTH
    std::vector<std::uint16_t> peer_hashes;  ///< that the peer knows for signatures; empty: it told none
    std::optional<Incoming> auth;  ///< the peer's first IKE_AUTH while a signature is made or checked, and during EAP
    std::unique_ptr<EapExchange> eap;
    bool exchanging = false;  ///< our first key pair is being made, or the exchange with the peer's first message
    bool asked = false;       ///< for a signature, its check, TLS, or the key exchange: by this process
    Instant began_at{};       ///< responder: when IKE_SA_INIT came
    Instant until = Instant::max();  ///< how long it may stay half-open, or wait for a signature made or checked
};

/// A message that waits for a key exchange which takes long; meanwhile nothing else that comes is looked at.
struct Delayed {
    Incoming message;
    bool is_response = false;
    Instant until{};  ///< when it is given up; Instant{}: this process has yet to ask. Unwritten
};

/// A message of the peer of which some fragments have yet to come. Not written: what is lost is sent again.
struct Fragments {
    Reassembly parts;
    crypto::Sha256 first{};  ///< of the first one's datagram, by which a repetition is recognised
};

/// A response that waits for the kernel.
struct AwaitedResponse {
    MessageId id;
    wire::ExchangeType exchange = wire::ExchangeType::create_child_sa;
    crypto::Sha256 request{};
    std::vector<wire::Payload> payloads;  ///< if the kernel takes the CHILD SA
    std::vector<wire::Payload> refusal;   ///< if not
    EspSpi child;
};

/// What the packets of the CHILD SAs tell of the peer: see liveness.hpp.
struct Watch {
    std::optional<Traffic> counted;           ///< when it was counted last
    Instant look_at{};                        ///< when to have it counted again
    Instant quiet_since{};                    ///< since when nothing has passed, either way
    std::optional<Instant> unanswered_since;  ///< since when packets have gone and none has come
    bool asked = false;                       ///< and not answered yet; unwritten
};

/// Why an IKE SA is to be put in the place of another one.
enum class ReauthCause : std::uint8_t { time, peers_lifetime, wish };

/// How long its proofs count, and whether another IKE SA is to come in its place: see reauthentication.cpp.
struct Reauthentication {
    Instant begin_at = Instant::max();  ///< whoever began the first one: when to begin another
    Instant over_at = Instant::max();   ///< when this one is closed, whatever stands in its place
    ReauthCause cause = ReauthCause::time;
    Duration pause{};             ///< behind the last try that failed
    std::optional<IkeSpi> old;    ///< this one is to come in the place of that, by our SPI
    std::optional<IkeSpi> fresh;  ///< that one is to come in the place of this
};

/// One IKE SA, whole: a plain value that can be written and read back (snapshot.hpp). Functions of init.hpp,
/// auth.hpp, create_child.hpp, rekey_ike.hpp and informational.hpp move it.
struct Sa {
    State state = State::dead;  ///< changed by become() alone
    bool initiator = false;     ///< we are the original initiator
    IkeSpi initiator_spi;
    IkeSpi responder_spi;
    ConnectionPtr connection;  ///< of a half-open responder: the first that might be meant
    UdpEndpoint local;
    UdpEndpoint remote;
    bool nat_here = false;
    bool nat_there = false;
    Mobility mobility;
    bool fragmentation = false;
    IkeSuite suite;
    IkeKeys keys;
    IvCounter iv;
    wire::Identity peer_id;
    Rare<Assignment> given;     ///< by the peer, to us
    Rare<Assignment> assigned;  ///< by us, to the peer
    Window window;
    // Message IDs count by direction, so a request and a response of the peer may have the same one.
    Rare<Fragments> request_fragments;
    Rare<Fragments> response_fragments;
    std::unique_ptr<Negotiation> negotiation;
    std::vector<ChildSa> children;
    Rare<Task> current;  ///< the exchange of window.outstanding, once established
    std::list<Task> waiting;
    Rare<AwaitedResponse> awaited;
    Rare<Delayed> delayed;
    bool replacement = false;           ///< made by rekeying: no IKE_AUTH of its own
    bool we_replace = false;            ///< replaced by an exchange of ours: deleting it is our part
    std::optional<IkeSpi> predecessor;  ///< our SPI of the IKE SA that the peer replaced by this one
    std::optional<Instant> busy_since;  ///< since when the peer answers nothing but TEMPORARY_FAILURE
    Instant established_at{};
    Instant rekey_at = Instant::max();
    Instant close_at = Instant::max();  ///< replaced: when to stop waiting for the peer's delete
    Instant heard_at{};
    Instant sent_at{};
    Watch watch;
    Reauthentication reauth;

    // The Endpoint's, and not part of what is written: where it is listed.
    static constexpr std::uint32_t kNoSlot = UINT32_MAX;
    std::uint32_t deadline_slot = kNoSlot;
    bool listed = false;
    bool listed_by_peer = false;
    std::optional<UdpEndpoint> half_open_from;

    /// A responder whose peer has yet to prove who it is.
    [[nodiscard]] bool half_open() const {
        return !initiator && (state == State::half_open || state == State::verifying || state == State::signing ||
                              state == State::eap);
    }
    [[nodiscard]] IkeSpi own_spi() const { return initiator ? initiator_spi : responder_spi; }
    [[nodiscard]] IkeSpi peer_spi() const { return initiator ? responder_spi : initiator_spi; }
    [[nodiscard]] Ends ends() const { return {local, remote}; }
    [[nodiscard]] const DirectionKeys& sending() const { return initiator ? keys.initiator : keys.responder; }
    [[nodiscard]] const DirectionKeys& receiving() const { return initiator ? keys.responder : keys.initiator; }
    [[nodiscard]] const PrfKey& own_p() const { return initiator ? keys.proof->initiator : keys.proof->responder; }
    [[nodiscard]] const PrfKey& peer_p() const { return initiator ? keys.proof->responder : keys.proof->initiator; }
    [[nodiscard]] ChildSa* find_child(EspSpi inbound);
    [[nodiscard]] const ChildSa* find_child(EspSpi inbound) const;
    [[nodiscard]] ChildSa* find_child_by_outbound(EspSpi outbound);
};

/// All IKE SAs of a process, as one of them sees them.
class Registry {
   public:
    Registry() = default;
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;
    virtual ~Registry() = default;

    // Names that nobody else in this process has.
    [[nodiscard]] virtual IkeSpi new_ike_spi() = 0;
    [[nodiscard]] virtual EspSpi new_esp_spi() = 0;
    [[nodiscard]] virtual ReqId new_reqid() = 0;

    /// All connections between these two addresses, best first.
    [[nodiscard]] virtual std::vector<ConnectionPtr> connections(const IpAddress& local, const IpAddress& remote) = 0;
    /// By our SPI; null where there is none.
    [[nodiscard]] virtual Sa* find(IkeSpi own) = 0;
    /// Takes an IKE SA in that a rekeying made.
    virtual Sa& adopt(std::unique_ptr<Sa> sa) = 0;
    /// Whether another IKE SA stands between the same identities, or the peer may be making one.
    [[nodiscard]] virtual bool knows_peer(const Sa& sa) = 0;
    /// The peer says that it had no other IKE SA with us (INITIAL_CONTACT) when it began this one.
    virtual void forget_others(const Sa& sa, Instant began_at) = 0;
    /// An address of the pool for the peer, as Leases::take(): the SA holds it.
    [[nodiscard]] virtual std::optional<IpAddress> lease(const AddressPool& pool, const Sa& sa,
                                                         const IpAddress& wish) = 0;
    /// The addresses to ask the peers of this connection for: what was given before.
    [[nodiscard]] virtual std::vector<IpAddress> wishes(const Connection& connection) = 0;
    /// Another IKE SA with the same peer that carries all that this one does; null where there is none.
    [[nodiscard]] virtual Sa* twin_of(const Sa& sa) = 0;
    /// Whether another IKE SA that the same peer leads carries what this CHILD SA is to carry.
    [[nodiscard]] virtual bool stands_beside(const Sa& sa, const ChildSa& child) = 0;
};

/// What the functions that move an SA work with. Valid for one event.
struct Context {
    Toolbox& tools;
    Random& random;
    Registry& registry;
    const Settings& settings;
    Instant now;
    Actions& actions;
    const Result<Exchanged>* exchanged = nullptr;  ///< for the message that is handled again
    std::optional<Ends> came_by = {};              ///< the datagram that is handled
};

/// The only door for changes of state. Aborts on a change that kTransitions does not have.
void become(Context& context, Sa& sa, State to);

/// What is wrong with it, by what must and must not be there in its state; null: nothing.
[[nodiscard]] const char* inconsistency(const Sa& sa);

/// The next moment at which on_time() has something to do; Instant::max() for never.
[[nodiscard]] Instant next_deadline(const Sa& sa, const Settings& settings);

}  // namespace keysluice::ike
