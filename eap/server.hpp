#pragma once

#include "eap/mschapv2.hpp"
#include "eap/tls.hpp"

namespace keysluice::eap {

/// The end that asks for proof, in the middle of it: a plain value.
struct Server {
    std::uint8_t id = 0;          ///< of the request that waits for its response
    Type asked = Type::identity;  ///< for what it asks
    std::string identity;
    std::vector<Type> left;  ///< methods that were not tried
    Mschapv2Server mschapv2;
    TlsServer tls;
    Msk msk;  ///< there once the peer has proved who it is

    /// The peer hears of it in the request that waits, before EAP fails.
    [[nodiscard]] bool refused() const {
        return mschapv2.phase == Mschapv2Server::Phase::refused || tls.phase == TlsServer::Phase::refused;
    }
};

/// What comes of a response.
struct Reply {
    enum class Kind : std::uint8_t {
        request,
        handshake,  ///< TLS has yet to hear `turn`: then comes on_tls()
        success,
        failure,
    };
    Kind kind = Kind::failure;
    Octets packet = {};
    Error why = {};  ///< of a failure, or already of the request that tells the peer of it
    TlsTurn turn = {};
};

/// The first request, which asks for the identity.
[[nodiscard]] Octets begin(Random& random, const Rules& rules, Server& server);

/// Failures are "eap-malformed", "eap-method" (the peer has none of `rules.methods`), "eap-user", "eap-password", and
/// those of the method.
[[nodiscard]] Reply on_response(crypto::LegacyAlgorithms& legacy, Random& random, const Rules& rules, Server& server,
                                Bytes octets);

/// After a handshake. Failures are "eap-malformed" and what `progress` says.
[[nodiscard]] Reply on_tls(Server& server, TlsProgress progress);

}  // namespace keysluice::eap
