#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ike/wire/payloads.hpp"

namespace keysluice::ike::wire {

/// The Encrypted payload (RFC 7296 section 3.14) or Encrypted Fragment payload (RFC 7383 section 2.5) that ends a
/// message, as it came. The ranges point into the datagram.
struct EncryptedPart {
    PayloadType first_inner = PayloadType::none;
    std::uint16_t fragment_number = 0;  ///< 0: not a fragment
    std::uint16_t total_fragments = 0;
    Bytes associated_data = {};  ///< from the header's first octet to the last before the initialization vector
    Bytes body = {};             ///< initialization vector, ciphertext, integrity check value
};

/// What a datagram shows to everybody.
struct Outer {
    Header header = {};
    std::vector<Payload> payloads = {};  ///< in the clear
    std::optional<EncryptedPart> encrypted = {};
};

/// Most payloads in one message, and most proposals, transforms, selectors, SPIs … in one payload.
inline constexpr std::size_t kMostPayloads = 64;

[[nodiscard]] PayloadType type_of(const Payload& payload);

/// Reads a whole datagram (without a non-ESP marker). Fails with "ike-malformed", or "ike-version" for another
/// major version than 2; the sentence says what was wrong where.
[[nodiscard]] Result<Outer> parse(Bytes datagram);

/// Reads a chain of payloads, as it stands inside an encrypted payload. Fails with "ike-malformed".
[[nodiscard]] Result<std::vector<Payload>> parse_payloads(PayloadType first, Bytes bytes);

/// The chain of payloads, and its first one's type.
struct EmittedPayloads {
    PayloadType first = PayloadType::none;
    Octets bytes = {};
};
[[nodiscard]] EmittedPayloads emit_payloads(const std::vector<Payload>& payloads);

/// A whole message in the clear.
[[nodiscard]] Octets emit(const Header& header, const std::vector<Payload>& payloads);

/// A header and the generic header of an Encrypted (fragment 0) or Encrypted Fragment payload, of a message whose
/// encrypted body (initialization vector to integrity check value) will be `body_size` octets. It is the associated
/// data of that body, and the body follows it on the wire.
[[nodiscard]] Octets emit_encrypted_prefix(const Header& header, PayloadType first_inner, std::uint16_t fragment,
                                           std::uint16_t total, std::size_t body_size);

/// One line for a person: "CREATE_CHILD_SA request 5 [SA(ESP: …) N(REKEY_SA) Ni TSi(…) TSr(…)]". Never holds a
/// secret: AUTH and KE show their kind and length only.
[[nodiscard]] std::string print(const Header& header, const std::vector<Payload>& payloads);
[[nodiscard]] std::string print(const Payload& payload);
[[nodiscard]] std::string name_of(NotifyType type);
[[nodiscard]] std::string name_of(AuthMethod method);
[[nodiscard]] std::string print(const TrafficSelector& selector);
/// "10.1.0.0/16, 10.3.0.0/16": the first eight, and how many more there are.
[[nodiscard]] std::string print(const std::vector<TrafficSelector>& selectors);
[[nodiscard]] std::string print(const Identity& identity);

}  // namespace keysluice::ike::wire
