#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <vector>

#include "crypto/certificate.hpp"

namespace keysluice::crypto {

/// Longest path from a certificate to an authority, both included.
inline constexpr std::size_t kLongestChain = 10;

/// Whom to believe about others: certificates of authorities, and what they have revoked. Never changes; several
/// threads may ask at the same time.
class Authorities {
   public:
    Authorities(const std::vector<Certificate>& trusted, const std::vector<RevocationListPtr>& revoked);

    /// Whether `leaf` belongs to somebody for whom an authority vouches at the time `at`: by way of `others` (in any
    /// order, not trusted), with sound keys and signatures (112 bits of strength: RSA 2048, no SHA-1), for a purpose
    /// that lets it sign for IKE, and not revoked. Where there are revocation lists, `leaf` needs one of its issuer
    /// that is current; an intermediate authority is checked if there is one of its issuer.
    ///
    /// Fails with certificate-untrusted, certificate-expired, certificate-not-yet-valid, certificate-revoked,
    /// crl-missing, crl-expired, certificate-weak, certificate-purpose, certificate-refused.
    [[nodiscard]] Result<void> verify(const Certificate& leaf, std::span<const Certificate> others,
                                      std::chrono::system_clock::time_point at) const;

    /// IKE's names of them: hashes of their public keys.
    [[nodiscard]] const std::vector<Sha1>& ids() const { return ids_; }

   private:
    using StorePtr = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;

    std::vector<Sha1> ids_;
    StorePtr store_;
    bool revokes_ = false;
};

/// Whether the certificate's own limits let it sign for IKE (RFC 4945 section 5.1.3). Fails with
/// "certificate-purpose".
[[nodiscard]] Result<void> check_purpose(const Certificate& certificate);
/// What its key is, if that is used here and strong enough. Fails with "certificate-key-kind" and "certificate-weak".
[[nodiscard]] Result<KeyKind> check_key(const Certificate& certificate);

}  // namespace keysluice::crypto
