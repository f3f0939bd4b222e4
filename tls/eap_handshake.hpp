#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "tls/openssl.hpp"

namespace keysluice::tls {

/// The TLS in EAP-TLS (RFC 5216; RFC 9190 with TLS 1.3): one end of a handshake in which both show certificates, in
/// turns, and the key that comes of it.
///
/// Whether the peer's certificate is to be believed is not found out here: who is asked gives out what the peer has
/// proved to have the key of, and nothing of a turn may go to the peer before somebody has looked at that.
class EapHandshake {
   public:
    enum class Role : std::uint8_t { client, server };
    using Octets = std::vector<std::uint8_t>;

    /// `chain`: our certificates in DER, leaf first. Fails with "eap-tls-failed".
    [[nodiscard]] static Result<EapHandshake> begin(Role role, EVP_PKEY& key, std::span<const Octets> chain);

    struct Turn {
        Octets records = {};             ///< ours; of a failure, an alert or nothing
        std::vector<Octets> chain = {};  ///< the peer's, in DER, leaf first; from when it is known on
        Secret<64> msk = {};             ///< at the end (RFC 5216 section 2.3, RFC 9190 section 2.3)
        Error why = {};                  ///< of a failure: "eap-tls-failed"
    };
    /// What the peer said in its turn; nothing where we have the first word.
    [[nodiscard]] Turn hear(Bytes records);

   private:
    EapHandshake(Role role, SslPtr ssl) : role_(role), ssl_(std::move(ssl)) {}
    [[nodiscard]] Result<void> advance(Turn& turn);
    [[nodiscard]] Result<bool> confirm();
    [[nodiscard]] Result<void> export_msk(Turn& turn);

    Role role_;
    SslPtr ssl_;
};

}  // namespace keysluice::tls
