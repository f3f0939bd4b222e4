#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"
#include "crypto/openssl.hpp"
#include "crypto/signature.hpp"

namespace keysluice::crypto {

/// An X.509 certificate that was read. Copies share it; it never changes.
class Certificate {
   public:
    /// Of DER, with nothing behind it. Fails with "certificate-malformed".
    [[nodiscard]] static Result<Certificate> parse(Bytes der);
    explicit Certificate(CertificatePtr certificate) : certificate_(std::move(certificate)) {}

    [[nodiscard]] std::vector<std::uint8_t> der() const;
    /// "CN=gw1.example,O=Example", escaped as RFC 2253 says.
    [[nodiscard]] std::string subject() const;
    /// DER of the name.
    [[nodiscard]] std::vector<std::uint8_t> subject_der() const;

    struct AlternativeName {
        enum class Kind : std::uint8_t { dns, email, address };
        Kind kind;
        std::vector<std::uint8_t> value;  ///< a text, or 4 or 16 octets
    };
    [[nodiscard]] std::vector<AlternativeName> alternative_names() const;

    /// Nothing: keys of this kind can't be used here.
    [[nodiscard]] std::optional<KeyKind> key_kind() const;
    [[nodiscard]] EVP_PKEY* key() const;
    /// Hashes of the Subject Public Key Info element: RFC 7296's name of an authority, and ours of a key.
    [[nodiscard]] Sha1 authority_id() const;
    [[nodiscard]] Sha256 key_id() const;

    [[nodiscard]] X509* get() const { return certificate_.get(); }

   private:
    std::shared_ptr<X509> certificate_;
};

/// The name that Certificate::key_id() gives to the key's other half.
[[nodiscard]] Sha256 key_id(const EVP_PKEY& key);

}  // namespace keysluice::crypto
