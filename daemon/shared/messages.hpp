#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/instant.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/strong_id.hpp"
#include "daemon/shared/traffic_secrets.hpp"

/// What keysluice's processes tell each other over unix SEQPACKET sockets: one message a packet, descriptors beside
/// it (SCM_RIGHTS). The first byte is the version of this format, the second the kind of message.
namespace keysluice {

/// A connection's place in the shared table of one relay.
using Slot = StrongId<struct SlotTag, std::uint32_t>;
/// A service, by its name: service_id().
using ServiceId = StrongId<struct ServiceIdTag, std::uint64_t>;
/// A pipe's position in the pool of one relay.
using PipeId = StrongId<struct PipeIdTag, std::uint16_t>;
/// The cookie of a session's socket on the TLS side (SO_COOKIE): never used twice while the system is up, and what
/// `ss -e` shows as "sk:".
using TlsSessionId = StrongId<struct TlsSessionIdTag, std::uint64_t>;

/// The number that a service of this name has for every process, at any time: whatever is added, removed or
/// restarted, a connection stays with its service, and nobody has to remember numbers (docs/decisions/0013). FNV-1a.
[[nodiscard]] constexpr ServiceId service_id(std::string_view name) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char each : name) {
        hash = (hash ^ static_cast<std::uint8_t>(each)) * 0x100000001b3;
    }
    return {hash};
}

enum class ProcessKind : std::uint8_t { control, engine, relay };
[[nodiscard]] std::string_view name_of(ProcessKind kind);

/// First message of every process to the keeper, and of engines and relays to keysluiced.
struct Hello {
    ProcessKind kind{};
    std::uint16_t index = 0;
    std::uint32_t pid = 0;
    bool operator==(const Hello&) const = default;
};

/// keysluiced → keeper, with the listening socket: hold it under this name. keeper → keysluiced: you hold this one.
struct Listener {
    std::string name;
    bool operator==(const Listener&) const = default;
};

/// keeper → keysluiced: that were all listening sockets.
struct ListenersComplete {
    bool operator==(const ListenersComplete&) const = default;
};

/// keysluiced → keeper: let go of this listening socket.
struct ForgetListener {
    std::string name;
    bool operator==(const ForgetListener&) const = default;
};

/// What a relay has to know of a connection.
struct Carried {
    ServiceId service;
    bool tls13 = false;
    bool plaintext = false;    ///< there is no TLS: bytes go as they are (plaintext = "relay")
    std::uint64_t origin = 0;  ///< of the client, for limits: origin_of()
    Instant since{};           ///< when it was negotiated
    bool operator==(const Carried&) const = default;
};

/// engine → keeper, with the kTLS socket and, in client mode, the plaintext socket: the kernel carries it now. The
/// engine keeps duplicates until Taken names the token. `again`: another keeper may have heard of it before.
/// `secrets`: where the kernel can change the keys; equal are messages with the same ones.
struct Handover {
    std::uint32_t token = 0;
    bool again = false;
    Carried connection;
    std::shared_ptr<const TrafficSecrets> secrets = {};
    bool operator==(const Handover& other) const;
};

/// keeper → relay, with the same descriptors and, where there is one, the plaintext socket: this connection is yours.
/// relay → a new keeper: this one is mine.
struct Adopt {
    Slot slot;
    Carried connection;
    bool operator==(const Adopt&) const = default;
};

/// relay → keeper, with the plaintext socket: it belongs to this connection.
struct Attach {
    Slot slot;
    bool operator==(const Attach&) const = default;
};

/// relay → keeper: these connections are over, let go of their descriptors.
struct Release {
    std::vector<Slot> slots;
    bool operator==(const Release&) const = default;
};

/// relay → keeper, with read and write end: a pipe of the pool. keeper → a successor: you inherit it. Both in the
/// order of their numbers.
struct Pipe {
    PipeId pipe;
    bool operator==(const Pipe&) const = default;
};

/// keeper → relay, with the memory file of its table. relay → a new keeper, the same.
struct Table {
    bool operator==(const Table&) const = default;
};

/// engine → keeper: I accept nothing more and end when my last connection does; start my successor.
struct Draining {
    bool operator==(const Draining&) const = default;
};

/// keysluiced → engine, with its listening sockets, and keysluiced → relay. `settings` as encode(TlsService) wrote
/// it. `balanced`: the engines share one of the listening sockets, and the first descriptor is the memory file of
/// their AcceptBalance. `load`: use what LoadService of this number has loaded; an engine that has loaded nothing so
/// reads the files, unless it serves with these settings already.
struct Service {
    ServiceId id;
    std::vector<std::uint8_t> settings;
    bool balanced = false;
    std::uint32_t load = 0;
    bool operator==(const Service&) const = default;
};

/// keysluiced → engine, before the services, with the memory file of TicketMemory: what all engines' tickets rest on.
struct Tickets {
    bool operator==(const Tickets&) const = default;
};

/// keysluiced → engine and relay, with the memory file of LimitMemory: what all of them count together. Whoever gets
/// another one counts there anew what it has.
struct CountLimits {
    bool operator==(const CountLimits&) const = default;
};

/// relay → keysluiced, keysluiced → the engine of the same number: on this connection of a client of ours, which the
/// kernel carries, a NewSessionTicket came (RFC 8446 section 4.6.1), header included.
struct TicketReceived {
    TlsSessionId session;
    std::vector<std::uint8_t> message;
    bool operator==(const TicketReceived&) const = default;
};

/// keysluiced → engine and relay: that were all services; connections may come. What an engine has loaded and was not
/// told to use, it drops.
struct ServicesComplete {
    bool operator==(const ServicesComplete&) const = default;
};

/// keysluiced → engine: load certificates and key of this service, and serve as before until Service comes with this
/// number. What was loaded under another number is dropped.
struct LoadService {
    std::uint32_t load = 0;
    ServiceId id;
    std::vector<std::uint8_t> settings;
    bool operator==(const LoadService&) const = default;
};

/// engine → keysluiced: whether this service's certificate and key could be loaded. An empty reason: yes. `load`: the
/// answer to LoadService, else to Service. `fresh`: it is not what this engine serves with already.
struct ServiceLoaded {
    ServiceId id;
    std::string reason;
    std::string sentence;
    std::uint32_t load = 0;
    bool fresh = false;
    bool operator==(const ServiceLoaded&) const = default;
};

/// keysluiced → engine or relay: what have you counted?
struct AskCounters {
    std::uint32_t token = 0;
    bool operator==(const AskCounters&) const = default;
};

struct Count {
    ServiceId service;
    std::string name;
    std::uint64_t value = 0;
    bool operator==(const Count&) const = default;
};

/// The answer to AskCounters, with its token. `more`: it goes on in the next one.
struct Counters {
    std::uint32_t token = 0;
    std::vector<Count> counts;
    bool more = false;
    bool operator==(const Counters&) const = default;
};

/// One session, as the process that has it tells of it.
struct ListedSession {
    TlsSessionId id;
    ServiceId service;
    Instant since{};
    bool tls13 = false;
    std::string suite;    ///< empty where the kernel carries it: the kernel is to be asked
    std::string local;    ///< of the TLS side, "192.0.2.1:443"
    std::string remote;   ///< the same
    std::string backend;  ///< the other end of the plaintext side; empty as long as there is none
    std::string why;      ///< the kernel does not carry it; empty: it does
    bool operator==(const ListedSession&) const = default;
};

/// keysluiced → engine or relay: which sessions have you got? Those of `services`, of all where it is empty, in the
/// order of their ids, behind `after` and at most `limit`.
struct AskSessions {
    std::uint32_t token = 0;
    TlsSessionId after;
    std::uint16_t limit = 0;
    std::vector<ServiceId> services;
    bool operator==(const AskSessions&) const = default;
};

/// The answer to AskSessions, with its token.
struct Sessions {
    std::uint32_t token = 0;
    bool more = false;
    std::vector<ListedSession> sessions;
    bool operator==(const Sessions&) const = default;
};

/// keysluiced → engine or relay: reset this session; with id 0, all of the service.
struct EndSessions {
    std::uint32_t token = 0;
    TlsSessionId id;
    ServiceId service;
    bool operator==(const EndSessions&) const = default;
};

/// The answer to EndSessions, with its token.
struct SessionsEnded {
    std::uint32_t token = 0;
    std::uint32_t count = 0;
    bool operator==(const SessionsEnded&) const = default;
};

/// keysluiced → engine and relay: take no connection of this service any more, until Service comes again.
struct CloseService {
    ServiceId id;
    bool operator==(const CloseService&) const = default;
};

/// keysluiced → engine and relay: this service is not configured any more, and its last connection has ended. Whoever
/// has one yet leaves this unheard.
struct ForgetService {
    ServiceId id;
    bool operator==(const ForgetService&) const = default;
};

/// A connection that came to nothing, or to a bad end.
struct Failure {
    ServiceId service;
    std::string peer;  ///< empty where it is not known
    std::string reason;
    std::string sentence;
    bool operator==(const Failure&) const = default;
};

/// engine or relay → keysluiced: the first ones of a moment; the counters have them all.
struct Failures {
    std::vector<Failure> failures;
    bool operator==(const Failures&) const = default;
};

/// SHA-256 of a public key (its Subject Public Key Info): names the private key.
using KeyId = std::array<std::uint8_t, 32>;

/// keysluiced → engine: sign for IKE with the private key in this file, or in the memory file beside the message.
struct SigningKey {
    KeyId key{};
    std::string path;  ///< of the memory file, what sentences call it
    bool operator==(const SigningKey&) const = default;
};

/// keysluiced → engine: those before this were all. What was not named among them goes.
struct SigningKeysComplete {
    bool operator==(const SigningKeysComplete&) const = default;
};

/// engine → keysluiced: whether that key could be loaded. An empty reason: yes.
struct SigningKeyLoaded {
    KeyId key{};
    std::string reason;
    std::string sentence;
    bool operator==(const SigningKeyLoaded&) const = default;
};

/// keysluiced → engine, which has loaded the key: sign this. `scheme` is a crypto::SignatureScheme.
struct SignatureWanted {
    std::uint32_t token = 0;
    KeyId key{};
    std::uint8_t scheme = 0;
    std::vector<std::uint8_t> octets;
    bool operator==(const SignatureWanted&) const = default;
};

/// The answer to SignatureWanted, with its token. Without a signature the sentence says why.
struct SignatureMade {
    std::uint32_t token = 0;
    std::vector<std::uint8_t> signature;
    std::string sentence;
    bool operator==(const SignatureMade&) const = default;
};

/// keysluiced → engine, which has loaded the key: this turn of EAP-TLS is for the handshake of that name, or begins
/// it.
struct TlsTurnHeard {
    std::uint32_t token = 0;
    std::uint64_t handshake = 0;
    KeyId key{};
    bool server = false;
    bool begins = false;
    std::vector<std::vector<std::uint8_t>> chain;  ///< our certificates, in DER, where it begins
    std::vector<std::uint8_t> records;             ///< at most kMostTlsTurn
    bool operator==(const TlsTurnHeard&) const = default;
};

/// The key that EAP made, for messages that can be copied.
using SharedMsk = std::shared_ptr<const Secret<64>>;

/// The answer to TlsTurnHeard, with its token. A sentence says that it failed, and why.
struct TlsTurnAnswered {
    std::uint32_t token = 0;
    std::vector<std::uint8_t> records;
    std::vector<std::vector<std::uint8_t>> chain;  ///< the peer's
    SharedMsk msk = {};                            ///< null: there is none yet
    std::string sentence;
    bool operator==(const TlsTurnAnswered& other) const;
};

/// keysluiced → engine: nobody needs that handshake any more.
struct TlsHandshakeOver {
    std::uint64_t handshake = 0;
    bool operator==(const TlsHandshakeOver&) const = default;
};

/// keysluiced → keeper: there are so many engines, and as many relays.
struct Engines {
    std::uint16_t count = 0;
    bool operator==(const Engines&) const = default;
};

/// keeper → engine: the relay has these connections too, nothing that happens to one process loses them any more.
struct Taken {
    std::vector<std::uint32_t> tokens;
    bool operator==(const Taken&) const = default;
};

/// keeper → relay: I know nothing of you; what do you hold?
struct AskHeld {
    bool operator==(const AskHeld&) const = default;
};

/// relay → keeper, the answer to AskHeld: Table, Pipe and Adopt before this were all. None before it: I am as new.
struct HeldComplete {
    bool operator==(const HeldComplete&) const = default;
};

using Message =
    std::variant<Hello, Listener, ListenersComplete, ForgetListener, Handover, Adopt, Attach, Release, Pipe, Table,
                 Draining, Service, ServicesComplete, ServiceLoaded, AskCounters, Counters, SigningKey,
                 SigningKeyLoaded, SignatureWanted, SignatureMade, Engines, Taken, AskHeld, HeldComplete, AskSessions,
                 Sessions, EndSessions, SessionsEnded, CloseService, Failures, LoadService, ForgetService, Tickets,
                 CountLimits, TicketReceived, TlsTurnHeard, TlsTurnAnswered, TlsHandshakeOver, SigningKeysComplete>;

inline constexpr std::uint16_t kMostEngines = 256;

/// Longest message to be signed, and longest signature (RSA of 16,384 bits).
inline constexpr std::size_t kMostToSign = 16'384;
inline constexpr std::size_t kLongestSignature = 2048;

/// Most octets of records in one turn of EAP-TLS, and of the certificates beside it.
inline constexpr std::size_t kMostTlsTurn = 28'672;
inline constexpr std::size_t kMostTlsCertificates = 10;

/// Names are cut at 255 bytes and sentences at 4 KiB; lists longer than a packet holds are a bug of the sender.
[[nodiscard]] std::vector<std::uint8_t> encode(const Message& message);

/// Fails closed: a version, kind, length or trailing byte that is not expected is an error (`message-malformed`).
[[nodiscard]] Result<Message> decode(Bytes packet);

/// Longest NewSessionTicket that is passed on.
inline constexpr std::size_t kLongestTicket = 16'384;

/// How many entries one packet may list.
inline constexpr std::size_t kMaximumListed = 1024;
/// Sessions and failures are long, and a packet has 64 KiB.
inline constexpr std::size_t kMostSessions = 128;
inline constexpr std::size_t kMostCounts = 768;
inline constexpr std::size_t kMostFailures = 8;

}  // namespace keysluice
