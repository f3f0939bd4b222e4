#pragma once

#include "eap/mschapv2.hpp"
#include "eap/tls.hpp"

namespace keysluice::eap {

/// The end that proves who it is, in the middle of it: a plain value.
struct Peer {
    Type method = Type::none;  ///< none: the server has yet to ask for one that we have
    Mschapv2Peer mschapv2;
    TlsPeer tls;
    Msk msk;  ///< there once the server has proved that it knows us
};

/// What comes of a packet.
struct Answer {
    enum class Kind : std::uint8_t {
        response,
        handshake,  ///< TLS has yet to hear `turn`: then comes on_tls()
        success,    ///< `msk` is there
        refusal,    ///< the server ends it: "eap-refused", or "eap-method" if it asked for none of `rules.methods`
    };
    Kind kind = Kind::response;
    Octets packet = {};
    Error why = {};  ///< of a refusal
    TlsTurn turn = {};
};

/// Takes a packet of the server. Fails where the server is not to be believed: with "eap-malformed" (which packets
/// that don't belong there are, too), and as answer() of the method.
[[nodiscard]] Result<Answer> on_packet(crypto::LegacyAlgorithms& legacy, Random& random, const Rules& rules,
                                       Peer& peer, Bytes octets);

/// The response after a handshake. Fails with what `progress` does.
[[nodiscard]] Result<Octets> on_tls(Peer& peer, TlsProgress progress);

}  // namespace keysluice::eap
