#pragma once

#include <chrono>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "tls/openssl.hpp"

namespace keysluice::testing {

enum class KeyType { p256, p384, p521, secp256k1, rsa2048, rsa1024, ed25519, ed448 };

/// A certificate, its key, and the PEM files that hold them.
struct Issued {
    std::shared_ptr<X509> certificate;
    std::shared_ptr<EVP_PKEY> key;
    std::filesystem::path certificate_file;
    std::filesystem::path key_file;
};

struct CertificateRequest {
    std::string subject = "shop.example";                 ///< common name
    std::string names = "DNS:shop.example,IP:192.0.2.1";  ///< subjectAltName in OpenSSL's notation; empty: none
    KeyType key = KeyType::p256;
    const Issued* issuer = nullptr;  ///< null: signed by itself
    bool authority = false;
    std::string key_usage = {};  ///< in OpenSSL's notation; empty: no such extension
    std::string extended_key_usage = {};
    bool sha1 = false;                                   ///< signed with it
    std::chrono::seconds from = std::chrono::hours(-1);  ///< both relative to now
    std::chrono::seconds until = std::chrono::hours(24);
};

/// What an OCSP responder says.
struct StatusRequest {
    bool revoked = false;
    const Issued* responder = nullptr;                    ///< who signs; null: the issuer itself
    std::chrono::seconds from = std::chrono::hours(-1);   ///< both relative to now
    std::chrono::seconds until = std::chrono::hours(24);  ///< 0s: none
};

/// A temporary folder of PEM files that goes with this object.
class CertificateFolder {
   public:
    CertificateFolder();
    CertificateFolder(const CertificateFolder&) = delete;
    CertificateFolder& operator=(const CertificateFolder&) = delete;
    ~CertificateFolder();

    Issued make(const CertificateRequest& request);
    /// A PEM file with the certificates of all of them, in this order.
    std::filesystem::path write_chain(std::initializer_list<const Issued*> chain);
    /// What the authority revokes, as a PEM file; good until `until` from now.
    std::filesystem::path revoke(const Issued& authority, std::initializer_list<const Issued*> revoked,
                                 std::chrono::seconds until = std::chrono::hours(24));
    /// An OCSP response about a certificate, as a DER file.
    std::filesystem::path staple(const Issued& subject, const Issued& issuer, const StatusRequest& request = {});
    /// Any other file.
    std::filesystem::path write(std::string_view name, std::string_view contents);
    /// A key file behind a passphrase.
    std::filesystem::path write_encrypted(const Issued& issued);
    [[nodiscard]] const std::filesystem::path& path() const { return folder_; }

   private:
    std::filesystem::path folder_;
    int made_ = 0;
};

/// A file's bytes.
std::string contents_of(const std::filesystem::path& file);

}  // namespace keysluice::testing
