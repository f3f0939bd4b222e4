#pragma once

#include <array>
#include <string>
#include <string_view>

#include "crypto/legacy.hpp"
#include "eap/rules.hpp"

namespace keysluice::eap {

// The codes of MS-CHAP-V2 (RFC 2759) and the keys that come of them (RFC 3079).

using Challenge = std::array<std::uint8_t, 16>;
using NtResponse = std::array<std::uint8_t, 24>;
using NtHash = Secret<16>;

/// What both ends know once the response is there.
struct Exchanged {
    Challenge server{};
    Challenge peer{};
    NtResponse response{};
};

/// NtPasswordHash(). Fails with "password-encoding" where it is not UTF-8, and as LegacyAlgorithms, as all below.
[[nodiscard]] Result<NtHash> nt_hash(crypto::LegacyAlgorithms& legacy, Bytes password);

/// GenerateNTResponse(), with the challenges of `known`. "DOMAIN\name" counts as "name".
[[nodiscard]] Result<NtResponse> nt_response(crypto::LegacyAlgorithms& legacy, const NtHash& hash,
                                             const Exchanged& known, std::string_view name);

/// GenerateAuthenticatorResponse(): "S=" and 40 hexadecimal digits, by which the server proves that it knows the
/// hash.
[[nodiscard]] Result<std::string> authenticator_response(crypto::LegacyAlgorithms& legacy, const NtHash& hash,
                                                         const Exchanged& known, std::string_view name);

/// The two start keys of 128 bits (RFC 3079 section 3.3), that of packets to the server first, and zeros.
[[nodiscard]] Result<Msk> msk_of(crypto::LegacyAlgorithms& legacy, const NtHash& hash, const NtResponse& response);

}  // namespace keysluice::eap
