#pragma once

#include <optional>

#include "base/result.hpp"
#include "eap/packet.hpp"
#include "eap/rules.hpp"

namespace keysluice::eap {

// EAP-TLS (RFC 5216; RFC 9190 with TLS 1.3) without the TLS: the two ends take turns to speak, and what TLS says in
// one turn goes over in fragments. What TLS makes of a turn, somebody else finds out.

/// Longest turn: chains of certificates are what makes one long.
inline constexpr std::size_t kMostTlsOctets = 28'672;
/// So much of a turn stands in a packet of ours.
inline constexpr std::size_t kTlsFragment = 1'024;

/// What stands behind the type.
struct TlsFrame {
    bool more = false;                   ///< the turn goes on in another packet
    bool start = false;                  ///< the server's first word, in which TLS says nothing
    std::optional<std::uint32_t> total;  ///< how long the turn is
    Octets data = {};

    bool operator==(const TlsFrame&) const = default;
};

/// Fails with "eap-malformed".
[[nodiscard]] Result<TlsFrame> parse_tls(Bytes octets);
[[nodiscard]] Octets emit_tls(const TlsFrame& frame);

/// Turns of both ends, as far as they have come over.
struct TlsTurns {
    Octets incoming;
    std::optional<std::uint32_t> total;  ///< as the peer announced it
    Octets outgoing;                     ///< what the peer has yet to be sent
};

/// The data of the first packet of a turn of ours.
[[nodiscard]] Octets speak(TlsTurns& turns, Octets records);

/// What a frame leads to: the data of a packet, or a whole turn.
struct Heard {
    std::optional<Octets> answer = {};
    Octets turn = {};
};
/// Fails with "eap-malformed".
[[nodiscard]] Result<Heard> hear(TlsTurns& turns, const TlsFrame& frame);

/// A turn that TLS has yet to hear.
struct TlsTurn {
    bool begins = false;  ///< the handshake begins here
    Octets records = {};  ///< empty where we have the first word
};

/// What TLS makes of it.
struct TlsProgress {
    Octets records = {};     ///< our turn; with a failure, an alert or nothing
    Msk msk = {};            ///< there once both ends have proved who they are
    Error why = {};          ///< of a failure
    bool of_tls = false;     ///< the failure is one of TLS, and where `records` are empty the peer has told us of it
    std::uint8_t alert = 0;  ///< not 0: the peer's certificate is refused, in the words of RFC 8446 section 6
};

/// An alert in answer to such a turn, in which nothing is encrypted yet; empty: it would have to be.
[[nodiscard]] Octets alert_to(Bytes turn, std::uint8_t alert);

/// The side that proves who it is.
struct TlsPeer {
    bool begun = false;
    bool refused = false;  ///< TLS has failed, both ends know it, and the server has yet to end EAP
    std::uint8_t id = 0;   ///< of the request that TLS has yet to answer
    TlsTurns turns;
};

/// The side that asks for proof.
struct TlsServer {
    enum class Phase : std::uint8_t { started, running, accepted, refused };
    Phase phase = Phase::started;
    TlsTurns turns;
};

}  // namespace keysluice::eap
