#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "crypto/peer_rules.hpp"
#include "tls/client_sessions.hpp"
#include "tls/identities.hpp"
#include "tls/openssl.hpp"
#include "tls/tickets.hpp"
#include "tls/types.hpp"

namespace keysluice::tls {

/// What both sides of the protocol are told alike.
struct Protocol {
    Version min_version = Version::tls12;
    Version max_version = Version::tls13;
    /// OpenSSL's names, best first; empty: all that are sound, with AES-128-CCM last. What else is refused:
    /// check_cipher().
    std::vector<std::string> tls12_ciphers{};
    std::vector<std::string> tls13_ciphersuites{};
    /// For key exchange, best first, as check_group() has them; empty: OpenSSL's own choice.
    std::vector<std::string> groups{};
    /// TLS 1.3 sessions can export their keys. It costs a little in each handshake: only where a kernel takes them.
    bool export_keys = false;
};

enum class ClientCertificate : std::uint8_t { none, optional, required };

struct ServerSettings {
    std::filesystem::path certificate;  ///< PEM chain, leaf first
    std::filesystem::path private_key;
    std::filesystem::path ocsp{};          ///< DER, stapled to it; empty: nothing is
    std::vector<Identity> certificates{};  ///< more of them, for clients that ask for their names
    std::vector<std::string> alpn{};       ///< what is spoken, best first; none: the client's is not looked at
    std::filesystem::path ca;  ///< who may sign client certificates; empty only with ClientCertificate::none
    std::vector<std::filesystem::path> revocation_lists{};
    ClientCertificate client_certificate = ClientCertificate::none;
    crypto::PeerRules rules{};  ///< of client certificates
    Protocol protocol;
    Resumption resumption{};
};

struct ClientSettings {
    /// Off: any certificate will do, and so will any impostor. `ca` is not read then, and `server_name` may be empty.
    bool verify = true;
    std::filesystem::path ca;  ///< who may sign the server's certificate
    std::vector<std::filesystem::path> revocation_lists{};
    crypto::PeerRules rules{};          ///< of the server's certificate; without `verify`, its keys only
    std::string server_name;            ///< DNS name or IP address: sent (a name only), and checked
    std::filesystem::path certificate;  ///< our own, with its key; empty: none
    std::filesystem::path private_key;
    std::vector<std::string> alpn{};  ///< what is offered, best first
    Protocol protocol;
    std::chrono::milliseconds session_lifetime{};  ///< so long sessions are resumed; 0: never
};

/// What all sessions of one service share: certificates, keys, trust and the rules of the protocol. Built once, from
/// files; a session keeps what it needs of it alive.
///
/// The rules: TLS 1.2 with ECDHE, an AEAD cipher and the extended master secret (RFC 7627) or TLS 1.3; no
/// renegotiation, compression or early data; sessions are resumed by tickets, and only where `resumption` says so.
/// `now` is only for the certificates in the files.
///
/// With revocation lists, a peer needs a current one of its certificate's issuer; intermediate authorities of whose
/// issuer there is none are taken as they are.
///
/// Reasons of failure: those of credentials.hpp and show_certificates(), certificate-missing, ca-missing,
/// server-name-missing, server-name-malformed, version-range-empty, those of check_cipher() and usable_groups().
class Context {
   public:
    static Result<Context> server(const ServerSettings& settings, std::chrono::system_clock::time_point now);
    static Result<Context> client(const ClientSettings& settings, std::chrono::system_clock::time_point now);

    [[nodiscard]] SSL_CTX* get() const { return context_.get(); }
    /// Whose certificate is welcome; null: any that verifies.
    [[nodiscard]] const std::shared_ptr<const crypto::PeerRules>& rules() const { return rules_; }
    /// A client's; null: none is resumed.
    [[nodiscard]] const std::shared_ptr<ClientSessions>& sessions() const { return sessions_; }

   private:
    Context(SslContextPtr context, crypto::PeerRules rules);

    SslContextPtr context_;
    std::shared_ptr<const crypto::PeerRules> rules_;
    std::shared_ptr<ClientSessions> sessions_;
};

}  // namespace keysluice::tls
