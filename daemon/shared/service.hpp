#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/key_use.hpp"
#include "base/result.hpp"
#include "daemon/shared/endpoint.hpp"

namespace keysluice {

/// server: TLS comes in, plaintext goes out. client: the other way round.
enum class Mode : std::uint8_t { server, client };
enum class ClientCertificate : std::uint8_t { none, optional, required };
enum class TlsVersion : std::uint8_t { tls12, tls13 };
/// Client mode. none: the server's certificate is not looked at.
enum class VerifyPeer : std::uint8_t { full, none };
/// Whether plaintext may come from other hosts (client mode) or go to them (server mode).
enum class PlaintextRemote : std::uint8_t { refuse, allow };
/// automatic: kTLS where it works. require: refuse the connection otherwise. off: always the userspace record layer.
enum class Offload : std::uint8_t { automatic, require, off };
/// Which version of the PROXY protocol tells the other side of `connect` about the client.
enum class SendProxy : std::uint8_t { none, v1, v2 };
/// What becomes of a client that does not speak TLS. relay: it goes on to `connect` as it is.
enum class Plaintext : std::uint8_t { refuse, relay };
/// relay: keysluice moves the bytes. handoff: the application gets the socket, and the kernel its keys.
enum class Deliver : std::uint8_t { relay, handoff };
/// Which versions of it are expected in front of every connection that is accepted.
enum class AcceptProxy : std::uint8_t { none, v1, v2, any };

/// The spellings of the configuration, in the order of the enumerators.
inline constexpr std::array<std::string_view, 2> kModeNames{"server", "client"};
inline constexpr std::array<std::string_view, 3> kClientCertificateNames{"none", "optional", "required"};
inline constexpr std::array<std::string_view, 2> kTlsVersionNames{"1.2", "1.3"};
inline constexpr std::array<std::string_view, 2> kVerifyPeerNames{"full", "none"};
inline constexpr std::array<std::string_view, 2> kPlaintextRemoteNames{"refuse", "allow"};
inline constexpr std::array<std::string_view, 3> kOffloadNames{"auto", "require", "off"};
inline constexpr std::array<std::string_view, 3> kSendProxyNames{"none", "v1", "v2"};
inline constexpr std::array<std::string_view, 4> kAcceptProxyNames{"none", "v1", "v2", "any"};
inline constexpr std::array<std::string_view, 2> kPlaintextNames{"refuse", "relay"};
inline constexpr std::array<std::string_view, 2> kDeliverNames{"relay", "handoff"};

[[nodiscard]] constexpr std::string_view to_string(Mode mode) {
    return kModeNames[static_cast<std::size_t>(mode)];
}
[[nodiscard]] constexpr std::string_view to_string(ClientCertificate wanted) {
    return kClientCertificateNames[static_cast<std::size_t>(wanted)];
}
[[nodiscard]] constexpr std::string_view to_string(TlsVersion version) {
    return kTlsVersionNames[static_cast<std::size_t>(version)];
}
[[nodiscard]] constexpr std::string_view to_string(VerifyPeer verify) {
    return kVerifyPeerNames[static_cast<std::size_t>(verify)];
}
[[nodiscard]] constexpr std::string_view to_string(Offload offload) {
    return kOffloadNames[static_cast<std::size_t>(offload)];
}

[[nodiscard]] constexpr std::string_view to_string(PlaintextRemote remote) {
    return kPlaintextRemoteNames[static_cast<std::size_t>(remote)];
}
[[nodiscard]] constexpr std::string_view to_string(SendProxy version) {
    return kSendProxyNames[static_cast<std::size_t>(version)];
}
[[nodiscard]] constexpr std::string_view to_string(AcceptProxy versions) {
    return kAcceptProxyNames[static_cast<std::size_t>(versions)];
}
[[nodiscard]] constexpr std::string_view to_string(Plaintext plaintext) {
    return kPlaintextNames[static_cast<std::size_t>(plaintext)];
}
[[nodiscard]] constexpr std::string_view to_string(Deliver deliver) {
    return kDeliverNames[static_cast<std::size_t>(deliver)];
}

inline constexpr std::size_t kMostEndpoints = 64;
inline constexpr std::size_t kLongestServiceName = 64;
/// Of the names of algorithms: how many of a kind, and how long.
inline constexpr std::size_t kMostAlgorithms = 32;
inline constexpr std::size_t kLongestAlgorithm = 64;
/// Of whose certificate is welcome: how many rules of a kind, and how long.
inline constexpr std::size_t kMostPeerRules = 32;
inline constexpr std::size_t kLongestPeerRule = 255;
inline constexpr std::size_t kMostRevocationLists = 4;
/// Besides the first certificate; and of names, protocols and users: how many in one list, and how long.
inline constexpr std::size_t kMostCertificates = 255;
inline constexpr std::size_t kMostRoutes = 64;
inline constexpr std::size_t kMostNames = 32;
inline constexpr std::size_t kLongestName = 255;
/// Encoded, so that a packet holds it.
inline constexpr std::size_t kLargestService = 48UL * 1024;
/// PATH_MAX without its terminator.
inline constexpr std::size_t kLongestPath = 4095;
inline constexpr std::chrono::milliseconds kShortestTimeout{1};
inline constexpr std::chrono::milliseconds kLongestTimeout = std::chrono::hours(7 * 24);
inline constexpr std::chrono::milliseconds kShortestSession = std::chrono::seconds(5);
inline constexpr std::chrono::milliseconds kLongestSession = std::chrono::hours(24);
inline constexpr std::uint32_t kMostSessionUses = 1'000'000;
inline constexpr std::uint32_t kHighestLimit = 100'000'000;

/// When keysluice changes the keys of a connection of TLS 1.3 by itself: after a volume in one of the directions,
/// after a time, or whichever comes first. Zero: not set.
struct RekeyAfter {
    static constexpr std::uint64_t kLeast = 64ULL * 1024;
    static constexpr std::uint64_t kMost = kMostOctetsOfKeys;
    static constexpr std::chrono::milliseconds kShortest = std::chrono::seconds(1);
    static constexpr std::chrono::milliseconds kLongest = kLongestTimeout;

    std::uint64_t volume = 0;
    std::chrono::milliseconds time{0};

    [[nodiscard]] bool set() const { return volume != 0 || time.count() != 0; }
    [[nodiscard]] std::uint64_t volume_or(std::uint64_t other) const { return volume != 0 ? volume : other; }
    bool operator==(const RekeyAfter&) const = default;
};

/// One [[tls.service.certificates]]: another certificate of the service.
struct ServiceCertificate {
    std::string certificate{};         ///< PEM chain, leaf first
    std::string private_key{};         ///< as TlsService has it
    std::string ocsp{};                ///< file of the response that is stapled to it
    std::vector<std::string> names{};  ///< for clients that ask for one of these; none: for those in the certificate

    bool operator==(const ServiceCertificate&) const = default;
};

/// One [[tls.service.routes]]: where clients go that ask for one of `names` and agreed on one of `alpn`. The first
/// route that fits counts; without any, the service's `connect`.
struct Route {
    std::vector<std::string> names{};  ///< "shop.example" or "*.shop.example"; none: any, or no name at all
    std::vector<std::string> alpn{};   ///< none: any, or no protocol at all
    std::vector<Endpoint> connect{};

    bool operator==(const Route&) const = default;
};

/// How much a service takes, on all engines together. 0: no limit.
struct Limits {
    std::uint32_t connections = 0;
    std::uint32_t connections_per_address = 0;
    std::uint32_t handshakes_per_second = 0;
    std::uint32_t handshakes_per_second_per_address = 0;
    std::chrono::milliseconds idle{0};      ///< so long nothing comes or goes
    std::chrono::milliseconds lifetime{0};  ///< so long a connection may last

    bool operator==(const Limits&) const = default;
};

/// One [[tls.service]] of the configuration, checked and with its defaults filled in: what the daemon tells an engine
/// and a relay. It holds names of key files, never a key. Paths are absolute or empty (not set).
struct TlsService {
    std::string name{};
    std::vector<std::string> groups{};  ///< for commands: engines and relays are not told
    Mode mode = Mode::server;
    std::vector<Endpoint> listen{};                  ///< never a HostEndpoint
    std::vector<Endpoint> connect{};                 ///< tried round robin
    std::string certificate{};                       ///< PEM chain, leaf first
    std::string private_key{};                       ///< PEM file, or "credential:NAME" of the engine (secret_path())
    std::string ocsp{};                              ///< file of the response that is stapled to the certificate
    std::vector<ServiceCertificate> certificates{};  ///< server mode: more of them
    std::vector<std::string> alpn{};  ///< RFC 7301: what is spoken, best first; none: no such extension
    std::vector<Route> routes{};      ///< server mode
    std::string ca{};                 ///< PEM bundle of whom to trust
    std::vector<std::string> crl{};   ///< files of revocation lists
    ClientCertificate client_certificate = ClientCertificate::none;
    std::vector<std::string> peer_subjects{};  ///< as crypto::parse_subject_rule() has them
    std::vector<std::string> peer_names{};     ///< as crypto::parse_name_rule() has them
    std::vector<std::string> peer_keys{};      ///< as crypto::parse_key_pin() has them
    VerifyPeer verify_peer = VerifyPeer::full;
    std::string server_name{};  ///< client mode: SNI, and the name that the certificate must carry
    TlsVersion min_version = TlsVersion::tls12;
    TlsVersion max_version = TlsVersion::tls13;
    std::vector<std::string> ciphers{};       ///< TLS 1.2, as tls::check_cipher() has them; none: tls/'s own choice
    std::vector<std::string> ciphersuites{};  ///< TLS 1.3, in the same way
    std::vector<std::string> key_exchange_groups{};  ///< as tls::check_group() has them; none: OpenSSL's own choice
    PlaintextRemote plaintext_remote = PlaintextRemote::refuse;  ///< keysluiced's to see to: no other is told
    Plaintext plaintext = Plaintext::refuse;
    Offload offload = Offload::automatic;
    Deliver deliver = Deliver::relay;
    std::vector<std::string> application_users{};  ///< whose applications get sockets
    Limits limits{};
    SendProxy send_proxy = SendProxy::none;
    AcceptProxy accept_proxy = AcceptProxy::none;
    RekeyAfter rekey_after{};
    std::chrono::milliseconds handshake_timeout = std::chrono::seconds(10);
    std::chrono::milliseconds connect_timeout = std::chrono::seconds(5);
    std::chrono::milliseconds close_timeout = std::chrono::seconds(60);
    std::chrono::milliseconds drain_timeout = std::chrono::hours(1);
    /// Server mode: so long after its full handshake a session may be resumed. 0: never.
    std::chrono::milliseconds session_lifetime = std::chrono::minutes(5);
    std::uint32_t session_max_uses = 0;  ///< so many connections may resume one session; 0: any number

    bool operator==(const TlsService&) const = default;
};

/// `[A-Za-z0-9_.-]{1,64}`
[[nodiscard]] bool is_service_name(std::string_view text);

/// What may be the name of an algorithm: `\??[A-Za-z0-9_-]{1,63}`.
[[nodiscard]] bool is_algorithm_name(std::string_view text);

/// For a channel between keysluice's own processes: a version byte, then the members in their order. Every value has
/// exactly one encoding. The service must be within the limits above, as the configuration's are; at most
/// kLargestService.
[[nodiscard]] std::vector<std::uint8_t> encode(const TlsService& service);

/// Error: `bad-service-message`, also for a version that this program doesn't know and for anything left over.
[[nodiscard]] Result<TlsService> decode_service(Bytes message);

}  // namespace keysluice
