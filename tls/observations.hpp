#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/flood_guard.hpp"
#include "base/instant.hpp"
#include "base/key_use.hpp"
#include "base/secret.hpp"
#include "crypto/peer_rules.hpp"
#include "tls/client_sessions.hpp"
#include "tls/openssl.hpp"

namespace keysluice::tls {

/// What OpenSSL tells through callbacks about one connection.
struct Observations {
    Instant begun{};          ///< for the age of sessions that are resumed
    Instant session_begun{};  ///< a client's: the full handshake of the session that it wants to resume
    std::shared_ptr<ClientSessions> sessions;             ///< a client's, where it keeps sessions
    std::string server;                                   ///< whose they are
    std::chrono::system_clock::time_point time_of_day{};  ///< for the age of OCSP responses
    std::string server_name;           ///< a server's view: SNI, as the client sent it in this handshake
    Secret<48> client_traffic_secret;  ///< client_application_traffic_secret_0 of RFC 8446 section 7.1
    Secret<48> server_traffic_secret;
    bool established = false;             ///< set by the session: what comes from now on counts as a possible flood
    bool extended_master_secret = false;  ///< a client's view: the last ServerHello had the extension
    /// The handshake was stopped because it would have been TLS 1.2 without the extended master secret.
    bool stopped_without_extended_master_secret = false;
    std::shared_ptr<const crypto::PeerRules> rules;  ///< null: none
    std::string rejected_subject;                    ///< whose certificate did not verify, or is not welcome
    std::string objection;                           ///< what the rules have against it
    FloodGuard flood;
    KeyUse keys;
};

/// Makes every session of the context report. Each must `attach` its own Observations before it starts.
void observe_server(SSL_CTX* context);
void observe_client(SSL_CTX* context, bool verify);
/// Sessions also report their TLS 1.3 traffic secrets.
void observe_secrets(SSL_CTX* context);

/// A client's sessions keep the tickets that they get.
void observe_tickets(SSL_CTX* context);

void attach(SSL* ssl, Observations& observations);
Observations& observations_of(const SSL* ssl);

}  // namespace keysluice::tls
