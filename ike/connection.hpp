#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/address.hpp"
#include "base/instant.hpp"
#include "base/secret.hpp"
#include "crypto/authorities.hpp"
#include "eap/rules.hpp"
#include "ike/assignment.hpp"
#include "ike/proposal.hpp"
#include "ike/traffic_selectors.hpp"

namespace keysluice::ike {

enum class Mode : std::uint8_t { tunnel, transport };

/// Which identities of a peer a connection accepts: any, one, or all that end as "*.example" says.
class IdentityPattern {
   public:
    /// Any identity.
    IdentityPattern() = default;
    /// "*" for any; "*.example" for FQDNs, "*@example" for e-mail addresses; otherwise as parse_identity().
    [[nodiscard]] static Result<IdentityPattern> parse(std::string_view text);

    [[nodiscard]] bool matches(const wire::Identity& identity) const;
    [[nodiscard]] bool any() const { return !identity_; }
    /// The one identity that it accepts, where it is one.
    [[nodiscard]] const wire::Identity* exact() const { return identity_ && !wildcard_ ? &*identity_ : nullptr; }
    [[nodiscard]] std::string text() const;

   private:
    std::optional<wire::Identity> identity_;
    bool wildcard_ = false;
};

/// An identity as the configuration writes it: an address, "name@host" (e-mail), "keyid:TEXT", "C=DE, CN=name" (a
/// distinguished name), and everything else an FQDN. Fails with "identity-syntax".
[[nodiscard]] Result<wire::Identity> parse_identity(std::string_view text);

/// Whether both are the same identity: names without regard to case, distinguished names as RFC 5280 compares them.
[[nodiscard]] bool same(const wire::Identity& a, const wire::Identity& b);
/// The same for identities that are the same.
[[nodiscard]] std::size_t hash_of(const wire::Identity& identity);

/// How an end proves who it is. By EAP, only an initiator does.
enum class Auth : std::uint8_t { shared_key, certificate, eap_mschapv2, eap_tls };

[[nodiscard]] constexpr bool is_eap(Auth auth) {
    return auth == Auth::eap_mschapv2 || auth == Auth::eap_tls;
}

/// Our own certificate. Its private key is somewhere else: whoever has it signs (see Sign).
struct OwnCertificate {
    std::vector<wire::Octets> chain;  ///< DER, leaf first
    crypto::KeyKind key_kind = crypto::KeyKind::rsa;
    crypto::Sha256 key_id{};  ///< names the private key
};

using SharedKey = Secret<256>;

/// Pre-shared keys of one connection: one for all its peers, or one for each identity.
class SharedKeys {
   public:
    void set_for_all(SharedKey key) { for_all_ = std::move(key); }
    void set(wire::Identity peer, SharedKey key);
    /// Null: there is none for this peer.
    [[nodiscard]] const SharedKey* find(const wire::Identity& peer) const;

   private:
    SharedKey for_all_;
    std::unordered_multimap<std::size_t, std::pair<wire::Identity, SharedKey>> by_peer_;  ///< by hash of the identity
};

/// What a network device is to take over of a child's ESP. automatic: the cryptography, where the device does it.
/// crypto, packet: that, or no SA. off: nothing.
enum class Offload : std::uint8_t { automatic, crypto, packet, off };

/// What a connection's child is to be.
struct ChildRule {
    std::string name;
    Mode mode = Mode::tunnel;
    TrafficSelectors local;   ///< empty: our end of the IKE SA
    TrafficSelectors remote;  ///< empty: the peer's end of the IKE SA
    std::vector<ProposalRule> proposals;
    Duration rekey_time = std::chrono::hours(1);
    std::uint64_t rekey_bytes = 0;    ///< 0: however many
    std::uint64_t rekey_packets = 0;  ///< 0: however many
    Offload offload = Offload::automatic;
};

/// What an administrator wants of one peer or a group of peers. Never changed: a reload makes new ones.
/// Pauses between attempts to bring up a connection that is to be up.
struct RetryPauses {
    enum class Growth : std::uint8_t {
        exponential,  ///< each is twice the one before
        linear,       ///< each is longer by the first one
    };
    Duration first = std::chrono::seconds(2);
    Duration most = std::chrono::seconds(60);
    Growth growth = Growth::exponential;

    bool operator==(const RetryPauses&) const = default;
    /// The one after `pause`; zero: the first one.
    [[nodiscard]] Duration after(Duration pause) const;
};

/// The XFRM interface that a connection's children are behind.
struct Interface {
    std::string name;
    std::uint32_t id = 0;   ///< that SAs and policies have in common with it; 0: there is none
    std::uint32_t mtu = 0;  ///< 0: the kernel's

    bool operator==(const Interface&) const = default;
};

/// Several gateways that serve the same connection, and how one of them is chosen.
struct Gateways {
    enum class Order : std::uint8_t {
        priority,  ///< the first that is there
        rotation,  ///< begun anywhere, gone on from where it stopped
    };
    /// When a gateway that stands further in front is used again. All but `never` are for Order::priority.
    enum class Return : std::uint8_t { never, when_idle, at_once };

    std::vector<UdpEndpoint> all;  ///< in their order; empty: Connection::remote is the one
    Order order = Order::priority;
    Return back = Return::never;
    Duration check = std::chrono::seconds(60);  ///< from one look for a better one to the next
    Duration idle = std::chrono::seconds(60);   ///< with when_idle: how long nothing must have passed

    [[nodiscard]] bool several() const { return all.size() > 1; }
};

struct Connection {
    std::string name;
    std::optional<IpAddress> local;   ///< nothing: any of ours
    std::optional<IpAddress> remote;  ///< nothing: any, and we only respond; of several gateways the first one
    wire::Identity local_id;
    IdentityPattern remote_id;
    Auth auth = Auth::shared_key;
    Auth remote_auth = Auth::shared_key;
    SharedKeys keys;                                         ///< where one of the two is shared_key
    OwnCertificate certificate;                              ///< where we have one to show
    std::shared_ptr<const crypto::Authorities> authorities;  ///< where the peer has
    bool allow_sha1 = false;                                 ///< in signatures of old peers
    eap::Rules eap_rules;                                    ///< where one of the two is EAP
    /// EAP may be all that proves who the responder is (RFC 5998): only with methods in which it does.
    bool eap_only = false;
    /// With EAP-TLS, to whom the server's certificate is made out; nothing: to the responder.
    std::optional<wire::Identity> eap_server_id;
    std::vector<ProposalRule> proposals;
    std::vector<ChildRule> children;
    Duration rekey_time = std::chrono::hours(4);
    Duration reauth_time = Duration::zero();           ///< after which both ends prove anew who they are; zero: never
    Duration liveness = std::chrono::seconds(30);      ///< silence after which the peer is asked; zero: never
    Duration liveness_idle = std::chrono::minutes(5);  ///< the same where nothing is sent either
    bool mobike = true;                                ///< RFC 4555 is offered and accepted
    bool keep_up = false;                              ///< initiated on load, and again whenever it is gone
    RetryPauses retry;
    Gateways gateways;
    /// Initiator: addresses to ask the peer for, any of its family where one is unspecified. Children without local
    /// selectors are for what it gives.
    std::vector<IpAddress> virtual_addresses;
    /// Responder: out of which peers get theirs; children without remote selectors are for those.
    std::vector<AddressPoolPtr> pools;
    Interface interface;

    [[nodiscard]] const ChildRule* child(std::string_view name) const;
};

using ConnectionPtr = std::shared_ptr<const Connection>;

/// One of both ends proves itself by EAP-TLS, in which both show certificates.
[[nodiscard]] constexpr bool proves_by_tls(const Connection& connection) {
    return connection.auth == Auth::eap_tls || connection.remote_auth == Auth::eap_tls;
}

}  // namespace keysluice::ike
