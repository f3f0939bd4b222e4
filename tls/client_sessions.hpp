#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <string>

#include "base/instant.hpp"
#include "tls/openssl.hpp"

namespace keysluice::tls {

using SslSessionPtr = std::unique_ptr<SSL_SESSION, Free<SSL_SESSION_free>>;

/// A session that a client may go on with.
struct ResumableSession {
    SslSessionPtr session;  ///< null: there is none
    Instant begun{};        ///< with the full handshake
};

/// What servers have given a client to come back with: tickets (RFC 8446 section 4.6.1, RFC 5077). Of one context, so
/// that whom it trusted is whom it trusts.
class ClientSessions {
   public:
    /// Of one server, and servers.
    static constexpr std::size_t kMostTickets = 32;
    static constexpr std::size_t kMostServers = 64;

    /// A session is resumed so long after its full handshake, and never longer than its server says.
    explicit ClientSessions(std::chrono::milliseconds lifetime) : lifetime_(lifetime) {}

    /// The newest one of this server. Under TLS 1.3 nobody gets it a second time; RFC 8446 C.4: "Clients SHOULD NOT
    /// reuse a ticket for multiple connections." Not one whose certificate has expired at `time`.
    [[nodiscard]] ResumableSession take(const std::string& server, Instant now,
                                        std::chrono::system_clock::time_point time);
    /// Beyond kMostTickets the oldest one goes.
    void keep(const std::string& server, ResumableSession session);
    /// Whether another ticket of this server's would be of use.
    [[nodiscard]] bool wants(const std::string& server) const;

   private:
    std::chrono::milliseconds lifetime_;
    std::map<std::string, std::deque<ResumableSession>, std::less<>> servers_;
};

}  // namespace keysluice::tls
