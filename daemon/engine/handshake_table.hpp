#pragma once

#include <cstdint>
#include <map>

#include "base/instant.hpp"
#include "daemon/engine/signer.hpp"
#include "daemon/shared/messages.hpp"
#include "tls/eap_handshake.hpp"

namespace keysluice {

/// Handshakes of EAP-TLS that are under way in this engine, for keysluiced, which has the sockets. What belongs to
/// nobody any more goes at the latest when another one needs its place.
class HandshakeTable {
   public:
    static constexpr std::size_t kMost = 512;
    /// IKE has less patience than that.
    static constexpr Duration kLongest = std::chrono::seconds(90);

    explicit HandshakeTable(const Signer& signer) : signer_(signer) {}

    [[nodiscard]] TlsTurnAnswered hear(const TlsTurnHeard& turn, Instant now);
    void forget(std::uint64_t handshake) { all_.erase(handshake); }
    /// Another keysluiced knows of none.
    void clear() { all_.clear(); }
    [[nodiscard]] std::size_t size() const { return all_.size(); }

   private:
    struct Running {
        tls::EapHandshake tls;
        Instant since;
    };

    /// Fails with "eap-tls-failed".
    [[nodiscard]] Result<tls::EapHandshake*> find(const TlsTurnHeard& turn, Instant now);

    const Signer& signer_;
    std::map<std::uint64_t, Running> all_;
};

}  // namespace keysluice
