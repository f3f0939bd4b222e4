#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "ike/ids.hpp"
#include "ike/wire/header.hpp"

namespace keysluice::ike::wire {

using Octets = std::vector<std::uint8_t>;

enum class Protocol : std::uint8_t { none = 0, ike = 1, ah = 2, esp = 3 };

// ---- SA payload, RFC 7296 section 3.3

enum class TransformType : std::uint8_t { encryption = 1, prf = 2, integrity = 3, key_exchange = 4, esn = 5 };

struct Transform {
    TransformType type = TransformType::encryption;  ///< may be a value without a name
    std::uint16_t id = 0;
    std::uint16_t key_bits = 0;   ///< 0: no key length attribute
    bool not_understood = false;  ///< carries an attribute that we don't know: never chosen (section 3.3.6)

    auto operator<=>(const Transform&) const = default;
};

struct Proposal {
    std::uint8_t number = 1;
    Protocol protocol = Protocol::ike;
    Octets spi = {};
    std::vector<Transform> transforms = {};

    bool operator==(const Proposal&) const = default;
};

struct SaPayload {
    std::vector<Proposal> proposals = {};
    bool operator==(const SaPayload&) const = default;
};

// ---- the others, in the order of section 3

struct KePayload {
    std::uint16_t group = 0;
    Octets value = {};
    bool operator==(const KePayload&) const = default;
};

enum class IdType : std::uint8_t { ipv4 = 1, fqdn = 2, email = 3, ipv6 = 5, dn = 9, gn = 10, key_id = 11, null = 13 };

struct Identity {
    IdType type = IdType::fqdn;
    Octets data = {};

    auto operator<=>(const Identity&) const = default;
};

/// RFC 7296 section 3.5: "RESERVED - MUST be sent as zero; MUST be ignored on receipt." But AUTH covers it as it
/// came.
using IdReserved = std::array<std::uint8_t, 3>;

struct IdInitiatorPayload {
    Identity identity = {};
    IdReserved reserved = {};
    bool operator==(const IdInitiatorPayload&) const = default;
};

struct IdResponderPayload {
    Identity identity = {};
    IdReserved reserved = {};
    bool operator==(const IdResponderPayload&) const = default;
};

inline constexpr std::uint8_t kX509Signature = 4;

struct CertificatePayload {
    std::uint8_t encoding = kX509Signature;
    Octets data = {};
    bool operator==(const CertificatePayload&) const = default;
};

struct CertificateRequestPayload {
    std::uint8_t encoding = kX509Signature;
    Octets authorities = {};  ///< SHA-1 hashes of the public keys of the trusted authorities, 20 octets each
    bool operator==(const CertificateRequestPayload&) const = default;
};

enum class AuthMethod : std::uint8_t {
    rsa = 1,
    shared_key = 2,
    ecdsa_256 = 9,
    ecdsa_384 = 10,
    ecdsa_521 = 11,
    null = 13,
    digital_signature = 14,
};

struct AuthPayload {
    AuthMethod method = AuthMethod::shared_key;
    Octets data = {};
    bool operator==(const AuthPayload&) const = default;
};

struct NoncePayload {
    Octets data = {};
    bool operator==(const NoncePayload&) const = default;
};

enum class NotifyType : std::uint16_t {
    unsupported_critical_payload = 1,
    invalid_ike_spi = 4,
    invalid_major_version = 5,
    invalid_syntax = 7,
    invalid_message_id = 9,
    invalid_spi = 11,
    no_proposal_chosen = 14,
    invalid_ke_payload = 17,
    authentication_failed = 24,
    single_pair_required = 34,
    no_additional_sas = 35,
    internal_address_failure = 36,
    failed_cp_required = 37,
    ts_unacceptable = 38,
    invalid_selectors = 39,
    temporary_failure = 43,
    child_sa_not_found = 44,
    // RFC 4555 section 6.
    unacceptable_addresses = 40,
    unexpected_nat_detected = 41,
    initial_contact = 16384,
    set_window_size = 16385,
    additional_ts_possible = 16386,
    ipcomp_supported = 16387,
    nat_detection_source_ip = 16388,
    nat_detection_destination_ip = 16389,
    cookie = 16390,
    use_transport_mode = 16391,
    http_cert_lookup_supported = 16392,
    rekey_sa = 16393,
    esp_tfc_padding_not_supported = 16394,
    non_first_fragments_also = 16395,
    // RFC 4555 section 6.
    mobike_supported = 16396,
    additional_ip4_address = 16397,
    additional_ip6_address = 16398,
    no_additional_addresses = 16399,
    update_sa_addresses = 16400,
    cookie2 = 16401,
    no_nats_allowed = 16402,
    auth_lifetime = 16403,            ///< RFC 4478
    eap_only_authentication = 16417,  ///< RFC 5998
    fragmentation_supported = 16430,
    signature_hash_algorithms = 16431,
};

/// RFC 7296 section 3.10.1: "Types in the range 0 - 16383 are intended for reporting errors."
[[nodiscard]] constexpr bool is_error(NotifyType type) {
    return static_cast<std::uint16_t>(type) < 16384;
}

struct NotifyPayload {
    NotifyType type = NotifyType::initial_contact;  ///< may be a value without a name
    Protocol protocol = Protocol::none;
    Octets spi = {};
    Octets data = {};
    bool operator==(const NotifyPayload&) const = default;
};

/// Without SPIs, and of protocol IKE: the IKE SA that carries it.
struct DeletePayload {
    Protocol protocol = Protocol::ike;
    std::vector<EspSpi> spis = {};
    bool operator==(const DeletePayload&) const = default;
};

struct VendorIdPayload {
    Octets data = {};
    bool operator==(const VendorIdPayload&) const = default;
};

/// One range of addresses and ports (RFC 7296 section 3.13.1). Both addresses are of one family. Of ICMP, the port's
/// high octet is the type and the low one the code.
struct TrafficSelector {
    std::uint8_t protocol = 0;  ///< 0: any
    std::uint16_t first_port = 0;
    std::uint16_t last_port = 65535;  ///< first 65535 and last 0: OPAQUE
    IpAddress first = {};
    IpAddress last = {};

    auto operator<=>(const TrafficSelector&) const = default;
};

struct TsInitiatorPayload {
    std::vector<TrafficSelector> selectors = {};
    bool operator==(const TsInitiatorPayload&) const = default;
};

struct TsResponderPayload {
    std::vector<TrafficSelector> selectors = {};
    bool operator==(const TsResponderPayload&) const = default;
};

// ---- configuration payload, RFC 7296 section 3.15

enum class ConfigurationType : std::uint8_t { request = 1, reply = 2, set = 3, ack = 4 };

/// RFC 7296 section 3.15.1, and RFC 8598 section 4.
enum class ConfigurationAttributeType : std::uint16_t {
    internal_ip4_address = 1,
    internal_ip4_netmask = 2,
    internal_ip4_dns = 3,
    internal_ip6_address = 8,
    internal_ip6_dns = 10,
    internal_ip4_subnet = 13,
    internal_ip6_subnet = 15,
    internal_dns_domain = 25,
};

struct ConfigurationAttribute {
    ConfigurationAttributeType type = ConfigurationAttributeType::internal_ip4_address;  ///< may be without a name
    Octets value = {};
    bool operator==(const ConfigurationAttribute&) const = default;
};

struct ConfigurationPayload {
    ConfigurationType type = ConfigurationType::request;  ///< may be a value without a name
    std::vector<ConfigurationAttribute> attributes = {};
    bool operator==(const ConfigurationPayload&) const = default;
};

/// A packet of EAP, whole (RFC 7296 section 3.16).
struct EapPayload {
    Octets packet = {};
    bool operator==(const EapPayload&) const = default;
};

/// A payload that this program does not interpret.
struct UnknownPayload {
    PayloadType type = PayloadType::none;
    bool critical = false;
    Octets data = {};
    bool operator==(const UnknownPayload&) const = default;
};

using Payload =
    std::variant<SaPayload, KePayload, IdInitiatorPayload, IdResponderPayload, CertificatePayload,
                 CertificateRequestPayload, AuthPayload, NoncePayload, NotifyPayload, DeletePayload, VendorIdPayload,
                 TsInitiatorPayload, TsResponderPayload, ConfigurationPayload, EapPayload, UnknownPayload>;

}  // namespace keysluice::ike::wire
