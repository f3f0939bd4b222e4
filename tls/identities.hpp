#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "tls/openssl.hpp"

namespace keysluice::tls {

/// A certificate of our own, in files.
struct Identity {
    std::filesystem::path certificate;  ///< PEM chain, leaf first
    std::filesystem::path private_key;
    std::filesystem::path ocsp{};      ///< DER; empty: nothing is stapled
    std::vector<std::string> names{};  ///< as is_name_pattern() has them; none: the DNS names in the certificate
};

/// Gives a context one certificate or several, and has each client see the one that it asks for: of those that have
/// exactly its name, or else a wildcard, the one whose kind of key (RSA, ECDSA, EdDSA) goes with its signature
/// algorithms. The first one is for those that ask for no name, or an unknown one; so are certificates of other kinds
/// that have the first one's first name, too.
///
/// There is one SSL_CTX for all of them: a session of any certificate keeps all other rules, since there are no other
/// ones. A further certificate costs 6 to 7 KiB, where a further SSL_CTX would cost another 13.
///
/// OCSP responses are stapled while they are current. `now` is only for the certificates in the files.
///
/// Fails with those of credentials.hpp and ocsp.hpp, "certificate-refused", "certificate-nameless" and
/// "certificate-ambiguous"; each sentence begins with the name of the file that is to blame.
[[nodiscard]] Result<void> show_certificates(SSL_CTX* context, const std::vector<Identity>& identities,
                                             std::chrono::system_clock::time_point now);

}  // namespace keysluice::tls
