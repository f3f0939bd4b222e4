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
    Error why = {};  ///< of a refusal, or already of the response that answers or brings the alert
    TlsTurn turn = {};
};

/// Takes a packet of the server. Fails where the server is not to be believed: with "eap-malformed" (which packets
/// that don't belong there are, too), and as answer() of the method.
[[nodiscard]] Result<Answer> on_packet(crypto::LegacyAlgorithms& legacy, Random& random, const Rules& rules,
                                       Peer& peer, Bytes octets);

/// The response after a handshake, `heard` being what TLS has answered. With a failure of TLS the response says so,
/// or that we have heard of it, and has `why`: a refusal follows. Fails with what else `progress` does.
[[nodiscard]] Result<Answer> on_tls(Peer& peer, Bytes heard, TlsProgress progress);

}  // namespace keysluice::eap
