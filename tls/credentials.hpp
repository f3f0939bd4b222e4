#pragma once

#include <chrono>
#include <filesystem>
#include <vector>

#include "base/result.hpp"
#include "tls/openssl.hpp"

namespace keysluice::tls {

/// A certificate with what leads from it to an authority.
struct CertificateChain {
    CertificatePtr leaf;
    std::vector<CertificatePtr> intermediates;
};

/// Reads a PEM file, leaf first. Every certificate in it must be valid at `now`: a peer would refuse the chain.
/// Fails with "certificate-unreadable", "certificate-malformed", "certificate-expired", "certificate-not-yet-valid".
Result<CertificateChain> read_certificate_chain(const std::filesystem::path& file,
                                                std::chrono::system_clock::time_point now);

/// Reads an unencrypted PEM key that belongs to `certificate`. The file's bytes are wiped from memory afterwards.
/// Fails with "private-key-unreadable", "private-key-malformed", "private-key-encrypted", "private-key-mismatch".
Result<PrivateKeyPtr> read_private_key(const std::filesystem::path& file, const X509& certificate);

/// Reads a PEM bundle of authorities, one at least. Fails with "ca-unreadable", "ca-malformed".
Result<std::vector<CertificatePtr>> read_authorities(const std::filesystem::path& file);

/// "CN=shop.example,O=Shop", escaped as RFC 2253 says, so that no control character of a peer's gets through.
std::string subject_of(const X509& certificate);

}  // namespace keysluice::tls
