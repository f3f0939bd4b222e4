#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "crypto/openssl.hpp"

namespace keysluice::crypto {

/// A certificate with what leads from it to an authority.
struct CertificateChain {
    CertificatePtr leaf;
    std::vector<CertificatePtr> intermediates;
};

/// Reads a PEM file, leaf first. Every certificate in it must be valid at `now`: a peer would refuse the chain.
/// Fails with "certificate-unreadable", "certificate-malformed", "certificate-expired", "certificate-not-yet-valid".
Result<CertificateChain> read_certificate_chain(const std::filesystem::path& file,
                                                std::chrono::system_clock::time_point now);

/// The same of PEM that stands elsewhere, which sentences call `name`; as parse_authorities() and the others.
Result<CertificateChain> parse_certificate_chain(std::string_view pem, std::string_view name,
                                                 std::chrono::system_clock::time_point now);

/// When the first of its certificates expires.
std::chrono::sys_seconds end_of(const CertificateChain& chain);

/// Reads an unencrypted PEM key. The file's bytes are wiped from memory afterwards. Fails with
/// "private-key-unreadable", "private-key-malformed", "private-key-encrypted".
Result<PrivateKeyPtr> read_private_key(const std::filesystem::path& file);

/// The same of an open file, from its beginning on.
Result<PrivateKeyPtr> read_private_key(int file, std::string_view name);

/// The same of the key that belongs to `certificate`, or "private-key-mismatch".
Result<PrivateKeyPtr> read_private_key(const std::filesystem::path& file, const X509& certificate);

/// Reads a PEM bundle of authorities, one at least. Fails with "ca-unreadable", "ca-malformed".
Result<std::vector<CertificatePtr>> read_authorities(const std::filesystem::path& file);
Result<std::vector<CertificatePtr>> parse_authorities(std::string_view pem, std::string_view name);

/// Reads revocation lists: one in DER, or one and more in PEM. Fails with "crl-unreadable", "crl-malformed".
Result<std::vector<RevocationListPtr>> read_revocation_lists(const std::filesystem::path& file);
Result<std::vector<RevocationListPtr>> parse_revocation_lists(std::string_view pem, std::string_view name);

/// The DNS names in its subjectAltName, as they stand there.
std::vector<std::string> dns_names_of(const X509& certificate);

/// "CN=shop.example,O=Shop", escaped as RFC 2253 says, so that no control character of a peer's gets through.
std::string subject_of(const X509& certificate);

/// The first common name of its subject, in UTF-8 as it stands there; empty where there is none, or one with a zero
/// octet.
std::string common_name_of(const X509& certificate);

}  // namespace keysluice::crypto
