#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/result.hpp"
#include "crypto/credentials.hpp"

namespace keysluice::crypto {

/// So long a response is good that does not say how long.
inline constexpr std::chrono::hours kWithoutNextUpdate{12};

/// What the authority says of a certificate (RFC 6960), for the certificate's owner to pass on.
struct OcspResponse {
    std::vector<std::uint8_t> der;
    bool good = false;                ///< neither revoked nor unknown
    std::chrono::sys_seconds from{};  ///< thisUpdate
    /// nextUpdate, or else kWithoutNextUpdate after thisUpdate; never later than the signer's certificate.
    std::chrono::sys_seconds until{};

    /// Outside its time nobody believes it.
    [[nodiscard]] bool current(std::chrono::system_clock::time_point now) const {
        const auto second = std::chrono::floor<std::chrono::seconds>(now);
        return from <= second && second < until;
    }
};

/// Reads a response in DER. It must be about the chain's leaf, and signed by its issuer, who must stand in the chain,
/// or by whom the issuer has delegated that to. Its time is for the caller to look at.
///
/// Fails with "ocsp-unreadable", "ocsp-malformed", "ocsp-unsuccessful", "ocsp-issuer-missing",
/// "ocsp-other-certificate", "ocsp-untrusted".
Result<OcspResponse> read_ocsp_response(const std::filesystem::path& file, const CertificateChain& chain);

}  // namespace keysluice::crypto
