#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/instant.hpp"
#include "base/secret.hpp"
#include "tls/openssl.hpp"

namespace keysluice::tls {

/// Seals tickets and opens them, as RFC 5077 section 4 recommends.
struct TicketKey {
    static constexpr std::size_t kNameSize = 16;
    std::array<std::uint8_t, kNameSize> name{};  ///< stands in the ticket, for everybody to read
    Secret<32> encryption;                       ///< AES-256-CBC
    Secret<32> authentication;                   ///< HMAC-SHA-256
};

/// Where the uses of one session are counted. Id 0: nowhere.
struct UseCount {
    std::uint32_t place = 0;
    std::uint64_t id = 0;
    bool operator==(const UseCount&) const = default;
};

/// What the tickets of several contexts rest on, in several processes too. Daemon has the real one.
class TicketOffice {
   public:
    TicketOffice() = default;
    TicketOffice(const TicketOffice&) = delete;
    TicketOffice& operator=(const TicketOffice&) = delete;
    virtual ~TicketOffice() = default;

    /// For new tickets; without one, none are given out.
    [[nodiscard]] virtual std::optional<TicketKey> sealing_key() const = 0;
    /// For a ticket that carries this name; nothing once it is too old.
    [[nodiscard]] virtual std::optional<TicketKey> key_named(Bytes name) const = 0;
    /// Unpredictable bytes.
    virtual void randomize(MutableBytes bytes) = 0;
    /// A new count of at most so many uses, which nobody needs from `until` on; nowhere when there is no room.
    [[nodiscard]] virtual UseCount begin_count(std::uint32_t most, Instant until, Instant now) = 0;
    /// One use more. False: that would be too many, or nothing is known of this count.
    [[nodiscard]] virtual bool count(UseCount of) = 0;
};

/// How sessions of a server are resumed. A session is what began with one full handshake: neither resuming it nor
/// the tickets that are given out then prolong it or give it more uses.
struct Resumption {
    std::shared_ptr<TicketOffice> office;  ///< null: none is
    std::string audience;                  ///< a session is resumed only where the audience is the same
    std::chrono::milliseconds lifetime{};
    std::uint32_t max_uses = 0;  ///< 0: any number
};

/// Sessions of this context, which must be a server's, get tickets and are resumed by them. `scope` is what a session
/// must not be carried over to another value of, besides the audience.
void resume_sessions(SSL_CTX* context, const Resumption& resumption, std::uint8_t scope);

/// For each new session of any context: no tickets where there is no key for them.
void prepare_tickets(SSL* ssl);

}  // namespace keysluice::tls
