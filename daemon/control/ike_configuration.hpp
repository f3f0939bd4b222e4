#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"
#include "daemon/control/diagnostic.hpp"
#include "daemon/control/secret_reference.hpp"
#include "ike/connection.hpp"

namespace keysluice::control {

/// on_load: kept up from the start. on_traffic: once a packet asks for it. manual: when somebody asks, the peer too.
enum class IkeStart : std::uint8_t { on_load, on_traffic, manual };

/// The spellings of the configuration, in the order of the enumerators.
inline constexpr std::array<std::string_view, 3> kIkeStartNames{"on-load", "on-traffic", "manual"};
inline constexpr std::array<std::string_view, 4> kEspOffloadNames{"auto", "crypto", "packet", "off"};
inline constexpr std::array<std::string_view, 2> kIkeModeNames{"tunnel", "transport"};
inline constexpr std::array<std::string_view, 4> kIkeAuthNames{"psk", "certificate", "eap-mschapv2", "eap-tls"};

/// The [ike] table.
struct IkeSettings {
    std::uint32_t port = 500;
    std::uint32_t nat_port = 4500;  ///< for peers behind a NAT, and for ESP in UDP
    std::uint32_t cookie_after = 100;
    std::uint32_t half_open_per_address = 50;
    std::uint32_t retransmit_tries = 7;
    Duration retransmit_timeout = std::chrono::seconds(1);

    bool operator==(const IkeSettings&) const = default;
};

/// One of the peers in `remote`.
struct IkePeer {
    std::string host;                  ///< as the file has it, without the port
    std::uint16_t port = 0;            ///< 0: the usual one
    std::optional<IpAddress> address;  ///< nothing: the name is yet to be looked up
    Position where;
};

/// One [[ike.connection]], checked and with its defaults filled in.
///
/// `rules` is complete after load_secrets(), load_passwords(), load_certificates() and look_up_peers(): only then
/// does it have keys and certificates, and an address where the file has a host name. From then on nobody changes it.
struct IkeConnection {
    std::shared_ptr<ike::Connection> rules = std::make_shared<ike::Connection>();
    std::vector<std::string> groups;
    IkeStart start = IkeStart::manual;
    SecretReference psk;
    std::shared_ptr<const ike::SharedKey> given_psk;  ///< of SecretReference::Kind::option
    SecretReference eap_password;  ///< a directory: of users; none where nobody proves anything by EAP
    std::shared_ptr<const eap::Password> given_eap_password;  ///< of SecretReference::Kind::option
    // What is public is named by its path, or is the PEM itself: is_pem().
    std::string certificate;  ///< chain, leaf first; empty where no certificate of ours is used, as the next
    SecretReference private_key;
    std::shared_ptr<const UniqueFd> given_private_key;  ///< of SecretReference::Kind::option
    std::string ca;                                     ///< bundle; empty where the peer shows no certificate
    std::vector<std::string> crl;
    bool own_id = false;          ///< local_id stands in the file
    bool eap_by_subject = false;  ///< nor does a name for EAP-TLS: our certificate has it
    std::vector<IkePeer> peers;   ///< none: anybody

    std::vector<std::string> pools;  ///< names: `rules` has what they stand for

    // Where it stands.
    Position section;
    Position remote;
    Position local_id;
    Position certificate_at;
    Position ca_at;
    std::vector<Position> crl_at;
    std::vector<Position> pools_at;
    Position interface_at;
};

/// Whether a certificate, bundle or revocation list stands in the configuration itself, and not in a file.
[[nodiscard]] inline bool is_pem(std::string_view text) {
    return text.starts_with("-----BEGIN ");
}

/// An [[ike.pool]].
struct IkePool {
    ike::AddressPoolPtr rules;
    Position section;
};

/// Secrets that came with the call that a connection came with; null: none did. Of "option:psk",
/// "option:eap_password", "option:private_key".
struct GivenSecrets {
    std::shared_ptr<const ike::SharedKey> psk = {};
    std::shared_ptr<const eap::Password> eap_password = {};
    /// A sealed memory file with PEM, which engines read and this process does not; none in it: nobody knows the key.
    std::shared_ptr<const UniqueFd> private_key = {};

    bool operator==(const GivenSecrets&) const = default;
    [[nodiscard]] bool any() const { return psk || eap_password || private_key; }
};

/// Why a configuration is used.
enum class Occasion : std::uint8_t {
    reload,  ///< somebody wants what the files say
    change,  ///< one connection is another one
};

struct IkeConfiguration {
    IkeSettings settings;
    std::vector<IkePool> pools;
    std::vector<IkeConnection> connections;
};

inline constexpr std::size_t kMostIkeItems = 64;  ///< of selectors, proposals, groups in one key

}  // namespace keysluice::control
